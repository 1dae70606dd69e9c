"""`make bench`: our flows beside the usual script, on data grown to size; with everything under `.demo/bench`.

`python -m deployments.bench --help` names the sizes. Where is what: `measure` is the order of things, `grow` and
`files` make and change the data, `script` is the usual way, `recorded` runs one flow and notes where its time went,
`ratios` judges. docs/benchmarks.md defines every figure.
"""
