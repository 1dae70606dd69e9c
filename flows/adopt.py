"""Read an Odoo that was set up by hand, and write the environment file by which it can be backed up.

A compose project, or an Odoo that runs on the host itself: containers or process, odoo.conf, PostgreSQL's databases,
filestore and addons are looked at. The file is published for review, with what is left to do and what will hurt one
day. Nothing is changed there, and no password leaves the host: the file names variables for them.
"""

from prefect import flow

from odoo_ops.model.adoption import AdoptionReport, AdoptionRequest, OptionalName
from odoo_ops.model.environment import Stage
from tasks.adoption import describe_odoo
from tasks.reports import publish_adoption_report


@flow(name="adopt", flow_run_name="adopt {project}{config} on {host}")
def adopt(
    host: str,
    project: str = "",
    config: str = "",
    database: str = "",
    name: OptionalName = "",
    stage: Stage = "production",
) -> AdoptionReport:
    """Write the environment file of an Odoo that runs.

    Args:
        host: Name of its machine, as it was registered.
        project: Name of its Docker Compose project. Empty: it runs on the machine itself.
        config: Path of its odoo.conf, where several run on the machine itself. Empty: the only one.
        database: Name of its database, where its settings leave several. Empty: the only one.
        name: Name for the environment. Empty: as the project or the database is called.
        stage: What it is for.
    """
    request = AdoptionRequest(host=host, project=project, config=config, database=database, name=name, stage=stage)
    report = describe_odoo(request)
    publish_adoption_report(report)
    return report
