"""The demo as a list of steps. Each does one thing, proves it, and returns in words what was proved."""

import shutil
from collections.abc import Callable

from deployments.demo.business import change_data, create_data, differences, read_contents
from deployments.demo.closing import Night, megabytes
from deployments.demo.databases import clone_base, drop_former, ensure_role, superuser
from deployments.demo.odoo_base import attachments, ensure_base
from deployments.demo.odoo_client import logged_in
from deployments.demo.prefect_base import copy_prefect_base
from deployments.demo.script import Cost, folder_bytes, run_script
from deployments.demo.stage import Stage
from odoo_ops.adapters.cluster import database_exists, drop_database
from odoo_ops.errors import OdooOpsError, VerificationFailed

_POOL = "odoo-ops"
_SERVER_SECONDS = 120


def start_odoo(stage: Stage) -> str:
    """A database of its own, and the real Odoo on it. Prefect's server starts meanwhile."""
    site, port = stage.site, str(stage.site.ports.prefect)
    site.cluster.start()
    site.write()
    copy_prefect_base(site.layout, stage.variables)
    stage.serve("prefect-server", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
    with superuser(site.cluster) as connection:
        drop_former(connection)
        for role in (site.role, site.drill_role):
            ensure_role(connection, role, site.password(role))
        version = ensure_base(site, stage.variables)
        clone_base(connection, site.production, site.role)
    shutil.copytree(attachments(site), site.filestore)
    stage.wait_for_odoo(stage.start_odoo())
    return f"{version} shows its login page, on a PostgreSQL cluster of its own"


def make_records(stage: Stage) -> str:
    """Partners and attachments over Odoo's own interface."""
    with logged_in(stage.site.ports.odoo_url, stage.site.production) as odoo:
        made = create_data(odoo)
    return f"{made}; the filestore has {megabytes(folder_bytes(stage.site.filestore))}"


def start_prefect(stage: Stage) -> str:
    """Server and worker, blocks and deployments."""
    stage.wait_for("prefect-server", stage.prefect.healthy, within_seconds=_SERVER_SECONDS)
    stage.serve("prefect-worker", "prefect", "worker", "start", "--pool", _POOL, "--type", "process")
    stage.begin("register", "deployments.cli", "environments", "register", str(stage.site.layout.environments))
    stage.wait_for("prefect-worker", lambda: stage.prefect.has_work_pool(_POOL), within_seconds=_SERVER_SECONDS)
    stage.begin("deploy", "prefect", "--no-prompt", "deploy", "--all")
    stage.finish_commands()
    return "server and worker run; blocks and deployments are registered"


def back_up(name: str) -> Callable[[Stage], str]:
    """A step: one night's backup by its deployment, and the usual script on the same data."""

    def step(stage: Stage) -> str:
        repository = stage.site.layout.repository
        before = folder_bytes(repository)
        run = stage.run_deployment("backup/backup", environment="production")
        ours = Cost(seconds=run.seconds, new_bytes=folder_bytes(repository) - before)
        folder = stage.site.layout.run / "script" / name.replace(" ", "-")
        site = stage.site
        script = run_script(site.login, site.production, site.filestore, folder, stage.variables["PATH"])
        night = Night(name=name, backup=ours, script=script, starting_seconds=run.starting_seconds)
        stage.nights.append(night)
        if not ours.new_bytes:
            raise VerificationFailed(f"{repository} did not grow. Next step: look at the flow run in Prefect's UI.")
        return f"completed; the repository grew by {megabytes(ours.new_bytes)}"

    return step


def work_a_day(stage: Stage) -> str:
    """Change data between the two nights, and remember what is then there."""
    with logged_in(stage.site.ports.odoo_url, stage.site.production) as odoo:
        done = change_data(odoo)
        stage.before = read_contents(odoo)
    return done


def lose_everything(stage: Stage) -> str:
    """Drop the database and delete the filestore, under the running Odoo."""
    site = stage.site
    with superuser(site.cluster) as connection:
        drop_database(connection, site.production)
        shutil.rmtree(site.filestore)
        if database_exists(connection, site.production) or site.filestore.exists():
            raise VerificationFailed(
                f"{site.production} or {site.filestore} is still there, so nothing would be proved."
            )
    if _can_log_in(stage):
        raise VerificationFailed("Odoo still lets its user in after the loss, so nothing would be proved.")
    return "database and filestore are gone, no login is possible"


def restore(stage: Stage) -> str:
    """Restore the latest snapshot by its deployment."""
    run = stage.run_deployment(
        "restore/restore", environment="production", snapshot="latest", confirm_production="production"
    )
    stage.wait_for_odoo()
    return f"completed; the flow ran {run.running_seconds:.1f} s; Odoo shows its login page"


def compare_contents(stage: Stage) -> str:
    """Log in and read everything again."""
    with logged_in(stage.site.ports.odoo_url, stage.site.production) as odoo:
        after = read_contents(odoo)
    if stage.before is None:
        raise VerificationFailed("What was there before the loss was not read, so nothing can be compared.")
    if different := differences(stage.before, after):
        raise VerificationFailed(f"What was restored differs: {'; '.join(different)}.")
    return f"{after.partners} names and {after.files} files are, byte for byte, as before the loss"


def drill(stage: Stage) -> str:
    """Restore production's backup into the environment `drill` by the deployment, and prove it there."""
    run = stage.run_deployment("drill/drill", environment="production", target="drill")
    answers = stage.prefect.read_table("drill-production-checks")
    well = [answer for answer in answers if answer["outcome"] == "passed"]
    if not well or any(answer["outcome"] == "failed" for answer in answers):
        raise VerificationFailed(
            f"Of {len(answers)} questions {len(well)} were answered well. Next step: read its report."
        )
    # the flow itself fails for what was not measured though there was something to measure
    return (
        f"verified: {len(well)} questions answered well, {len(answers) - len(well)} about modules that are not "
        f"installed; the flow ran {run.running_seconds:.1f} s"
    )


STEPS: tuple[tuple[str, Callable[[Stage], str]], ...] = (
    ("start Odoo", start_odoo),
    ("make records and files", make_records),
    ("start Prefect", start_prefect),
    ("back up, first night", back_up("first night")),
    ("change records and files", work_a_day),
    ("back up, second night", back_up("second night")),
    ("lose database and filestore", lose_everything),
    ("restore", restore),
    ("log in, compare", compare_contents),
    ("drill", drill),
)


def _can_log_in(stage: Stage) -> bool:
    try:
        with logged_in(stage.site.ports.odoo_url, stage.site.production):
            return True
    except OdooOpsError:
        return False
