"""Whether somebody holds the keys of the backups elsewhere: without them no backup can be read."""

from prefect import get_run_logger
from prefect.variables import Variable

from blocks import OdooEnvironment
from blocks.prefect_api import PREFECT_AWAY
from odoo_ops.model.checks import Check
from odoo_ops.policy.recovery_keys import KEPT, OFFSITE_KEPT, judge_kept, kept_mark, kept_variable


def read_key_checks(environment: str) -> list[Check]:
    """One check for the environment's repository, one for that of its copies: was the present key confirmed?

    What was not is `not measured`, and the log warns; no run fails for it.
    """
    runtime = OdooEnvironment.open(environment)
    asked = [(KEPT, runtime.repository), (OFFSITE_KEPT, runtime.offsite)]
    checks = judge_kept(
        (check, repository.name, _is_kept(repository.name, repository.password.get_secret_value()))
        for check, repository in asked
        if repository is not None
    )
    for check in checks:
        if check.outcome != "passed":
            get_run_logger().warning("%s: %s", check.name, check.detail)
    return checks


def _is_kept(repository: str, password: str) -> bool | None:
    try:
        confirmed = Variable.get(kept_variable(repository), default="")
    except PREFECT_AWAY:
        return None
    return bool(confirmed) and confirmed == kept_mark(repository, password)  # the mark is slow to make
