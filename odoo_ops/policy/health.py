"""How an environment is: what was found of its layers as checks, and what to look at first."""

from collections.abc import Mapping, Sequence

from odoo_ops.model.checks import Check
from odoo_ops.model.environment import Environment
from odoo_ops.model.health import DatabaseHealth, HealthFacts, HealthPolicy, Problem
from odoo_ops.policy import layers

# what a restart answers for, whatever was before it
_SERVING = frozenset({layers.SERVICES, layers.REGISTRY, layers.LOGIN_PAGE, layers.ASSETS, layers.WEBSOCKET})

# purposes of those who hold an environment's lock and stop its Odoo; who only looks ("look at a restore") is none
_STOPS_ODOO = frozenset({"restore", "import", "restart", "provision", "release", "rollback", "settle"})


def judge_health(facts: HealthFacts | Problem, environment: Environment) -> list[Check]:
    """One check for each layer, in their order. A Problem is the host's: then nothing else was asked."""
    if isinstance(facts, Problem):
        others = [layers.not_measured(name, "the host does not answer") for name in layers.LAYERS[1:]]
        return [layers.failed(layers.HOST, facts), *others]
    policy, url = environment.health, facts.public_url
    return [
        Check(name=layers.HOST, outcome="passed"),
        layers.judge_services(facts.services, facts.at),
        *layers.judge_database(facts.database, facts.pooler, environment.odoo.version),
        layers.judge_files(facts.files, environment.backup.damaged_attachments_allowed),
        *layers.judge_pages(facts.registry, facts.login_page, facts.assets),
        layers.judge_websocket(facts.websocket, url),
        *_judge_work(facts.database, policy),
        layers.judge_disks(facts.disks, policy),
        layers.judge_certificate(facts.certificate, url, facts.at, policy),
    ]


def _judge_work(database: DatabaseHealth | Problem, policy: HealthPolicy) -> list[Check]:
    """What Odoo does by itself: scheduled actions, mails, jobs."""
    if isinstance(database, Problem):
        names = (layers.CRONS, layers.MAILS, layers.JOBS)
        return [layers.not_measured(name, "PostgreSQL does not answer") for name in names]
    at, allowed = database.at, policy.failures_allowed
    return [
        layers.judge_crons(database.crons, at, policy),
        layers.judge_queue(
            layers.MAILS, database.mails, at, module="mail", minutes=policy.mail_minutes, failures_allowed=allowed
        ),
        layers.judge_queue(
            layers.JOBS, database.jobs, at, module="queue_job", minutes=policy.job_minutes, failures_allowed=allowed
        ),
    ]


def first_failed(checks: Sequence[Check]) -> Check | None:
    """The lowest layer that failed: what is above it may be its consequence."""
    return next((check for check in checks if check.outcome == "failed"), None)


def next_step(check: Check) -> str:
    """What to look at when this layer failed, unless what was found says it itself."""
    return "" if "Next step: " in check.detail else f"Next step: {layers.LOOK_AT[check.name]}."


def who_stops_odoo(owner: Mapping[str, str] | None) -> str | None:
    """The holder of the environment's lock in words, if it is one that stops and starts Odoo."""
    if not owner or owner["purpose"] not in _STOPS_ODOO:
        return None
    return f"{owner['purpose']} ({owner['holder']}, since {owner['since']})"


def answered_by_restart(before: Sequence[Check], after: Sequence[Check]) -> list[Check]:
    """The checks that a restart answers for: that Odoo serves people, and all that did not fail before it."""
    failed_before = {check.name for check in before if check.outcome == "failed"}
    return [check for check in after if check.name in _SERVING or check.name not in failed_before]


def answered_by_release(before: Sequence[Check], after: Sequence[Check]) -> list[Check]:
    """The checks that a release answers for, when scheduled actions were held off until it was tried.

    What they should have done since is late for that reason.
    """
    waited = {layers.CRONS, layers.MAILS}
    return [
        Check(name=check.name, outcome="not measured", detail="scheduled actions waited until the release was tried")
        if check.name in waited and check.outcome == "failed"
        else check
        for check in answered_by_restart(before, after)
    ]


def lost_by_release(before: Sequence[Check], after: Sequence[Check]) -> list[Check]:
    """The checks for which a release is taken back: without them Odoo serves nobody, and they did not fail before.

    Registry and login page count in any case.
    """
    failed_before = {check.name for check in before if check.outcome == "failed"}
    failed_before -= {layers.REGISTRY, layers.LOGIN_PAGE}
    return [check for check in serving(after) if check.name not in failed_before]


def serving(checks: Sequence[Check]) -> list[Check]:
    """The checks of layers without which Odoo serves nobody; what runs late or runs out is none of them."""
    return [check for check in checks if check.name in _SERVING]
