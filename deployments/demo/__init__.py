"""`make demo`: a real Odoo backed up, lost, restored and proved, with everything under `.demo/`.

`python -m deployments.demo run` shows it; `stop` ends the servers that it leaves for a look around. Where is what:
`steps` tells the story, `show` runs it and says how it ended, `layout` names the folders.
"""
