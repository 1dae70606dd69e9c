"""The real programs that the demo and the tests need: Odoo 19, restic, a private PostgreSQL cluster, Docker.

`python -m deployments.engines install` puts Odoo and restic under one folder (`.demo/engines` in the
checkout, or the folder named by ODOO_OPS_ENGINES); `show` prints what is there. PostgreSQL's server
programs come from the system (see `debian-packages-demo.txt`); `cluster.PostgresCluster` runs them. Docker's programs
come from the system, too (`debian-packages-docker.txt`); `docker.docker_engine` gives an engine that answers.
"""
