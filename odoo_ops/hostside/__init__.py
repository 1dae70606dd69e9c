"""What runs beside the data: sent to the host as source text, standard library only (Python 3.10 or later).

`adapters/agent.py` starts it there. A host needs Python and nothing of ours installed.
"""
