"""The real programs that the demo and the tests need: Odoo 19, restic, a private PostgreSQL cluster.

`python -m deployments.engines install` puts Odoo and restic under one folder (`.demo/engines` in the
checkout, or the folder named by ODOO_OPS_ENGINES); `show` prints what is there. PostgreSQL's server
programs come from the system (see `debian-packages-demo.txt`); `cluster.PostgresCluster` runs them.
"""
