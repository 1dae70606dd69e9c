"""The steps of the demo, wherever Odoo runs. Each does one thing, proves it, and returns in words what was proved.

How Odoo comes to be there is told in `native` and `compose`.
"""

from collections.abc import Callable, Sequence

from deployments.demo.business import change_data, create_data, differences, read_contents
from deployments.demo.closing import Night, megabytes
from deployments.demo.odoo_client import logged_in
from deployments.demo.prefect_base import copy_prefect_base
from deployments.demo.script import Cost
from deployments.demo.stage import Stage
from odoo_ops.errors import OdooOpsError, VerificationFailed

Step = tuple[str, Callable[[Stage], str]]
Steps = Sequence[Step]

_POOL = "odoo-ops"
_SERVER_SECONDS = 120


def begin_prefect(stage: Stage) -> None:
    """Start Prefect's server, on an empty database."""
    copy_prefect_base(stage.site.layout, stage.variables)
    port = str(stage.site.ports.prefect)
    stage.serve("prefect-server", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port)


def make_records(stage: Stage) -> str:
    """Partners and attachments over Odoo's own interface."""
    with logged_in(stage.site.odoo, stage.site.production) as odoo:
        made = create_data(odoo)
    return f"{made}; the filestore has {megabytes(stage.site.filestore_bytes())}"


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
        site = stage.site
        before = site.repository_bytes()
        run = stage.run_deployment("backup/backup", environment="production")
        ours = Cost(seconds=run.seconds, new_bytes=site.repository_bytes() - before)
        script = site.run_script(site.layout.run / "script" / name.replace(" ", "-"))
        night = Night(name=name, backup=ours, script=script, starting_seconds=run.starting_seconds)
        stage.nights.append(night)
        if not ours.new_bytes:
            raise VerificationFailed("The repository did not grow. Next step: look at the flow run in Prefect's UI.")
        return f"completed; the repository grew by {megabytes(ours.new_bytes)}"

    return step


def work_a_day(stage: Stage) -> str:
    """Change data between the two nights, and remember what is then there."""
    with logged_in(stage.site.odoo, stage.site.production) as odoo:
        done = change_data(odoo)
        stage.before = read_contents(odoo)
    return done


def lose_everything(stage: Stage) -> str:
    """Drop the database and delete the filestore, under the running Odoo."""
    if left := stage.site.lose_everything():
        raise VerificationFailed(f"{' and '.join(left)} is still there, so nothing would be proved.")
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
    with logged_in(stage.site.odoo, stage.site.production) as odoo:
        after = read_contents(odoo)
    if stage.before is None:
        raise VerificationFailed("What was there before the loss was not read, so nothing can be compared.")
    if different := differences(stage.before, after):
        raise VerificationFailed(f"What was restored differs: {'; '.join(different)}.")
    return f"{after.partners} names and {after.files} files are, byte for byte, as before the loss"


def check_health(stage: Stage) -> str:
    """Look at every layer of the restored Odoo by the deployment, which fails where one is not well."""
    stage.run_deployment("health/health", environment="production")
    answers = stage.prefect.read_table("health-production-checks")
    well = [answer for answer in answers if answer["outcome"] == "passed"]
    return f"{len(well)} layers are well, {len(answers) - len(well)} are not measured here"


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


MAKE_RECORDS: Step = ("make records and files", make_records)
START_PREFECT: Step = ("start Prefect", start_prefect)
PROOFS: Steps = (
    ("back up, first night", back_up("first night")),
    ("change records and files", work_a_day),
    ("back up, second night", back_up("second night")),
    ("lose database and filestore", lose_everything),
    ("restore", restore),
    ("log in, compare", compare_contents),
    ("look at every layer", check_health),
    ("drill", drill),
)


def _can_log_in(stage: Stage) -> bool:
    try:
        with logged_in(stage.site.odoo, stage.site.production):
            return True
    except OdooOpsError:
        return False
