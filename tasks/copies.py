"""Make a copy of an environment harmless before any Odoo process sees it, and try it out."""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from pydantic import SecretStr

from blocks import OdooEnvironment
from odoo_ops.adapters import copies, database, odoo_database
from odoo_ops.errors import PreconditionFailed, VerificationFailed
from odoo_ops.model.checks import Check, first_of, passed_or_failed
from odoo_ops.model.copies import CopyIdentity
from odoo_ops.model.release import ReleasePlan
from odoo_ops.model.report import Trial
from odoo_ops.policy import drills
from odoo_ops.runtimes.copies import BootedCopy, booted, print_invoice, read_neutralization
from odoo_ops.runtimes.image_releases import tried

_LOGGED = re.compile(r"^\S+ \S+ \d+ INFO ")
_LOGGED_ERROR = re.compile(r"^\S+ \S+ \d+ (?:ERROR|CRITICAL) ")


@task(cache_policy=NO_CACHE)
def neutralize_copy(
    target: str, series: str, scratch: str, uuid: str | None = None, plan: ReleasePlan | None = None
) -> list[Check]:
    """Neutralise a scratch database of an Odoo series and give it an identity of its own, all or nothing.

    `uuid` is the `database.uuid` that it gets, by default a new one; with `plan` the addons are those of a release that
    is not in place. Raises VerificationFailed, with nothing applied, when a module is not on disk: its part would be
    left out silently.
    """
    runtime = OdooEnvironment.open(target)
    settings = runtime.environment
    with database.connect(runtime.host, settings.database, scratch) as connection:
        modules = copies.read_installed_modules(connection)
        with tried(runtime, plan.image if plan else None) as beside:
            found = read_neutralization(beside, modules, plan.links if plan else None)
        if found.series != series:
            raise VerificationFailed(
                f"{' '.join(settings.odoo.command)} is Odoo {found.series}, the database's {series}. "
                f"No Odoo has seen the copy. Next step: correct `odoo` in the environment file of {target}."
            )
        if found.missing:
            raise VerificationFailed(
                f"{len(found.missing)} installed modules are not on disk for {target}: "
                f"{first_of(list(found.missing))}. How to neutralise them is not known, so no Odoo has seen the copy. "
                f"Next step: add their folders to `odoo.addons` or to the odoo.conf of {target}."
            )
        identity = CopyIdentity(uuid=uuid or str(uuid4()), secret=SecretStr(str(uuid4())), base_url=settings.odoo.url)
        copies.neutralize(connection, found, identity)
        faults = copies.faults_of_copy(connection)
    check = passed_or_failed(
        drills.NEUTRALIZED, faults, f"{len(found.queries)} statements of {len(modules)} modules, all on disk"
    )
    if faults:
        raise VerificationFailed(
            f"The copy is not harmless: {check.detail}. No Odoo has seen it. Next step: look at these records; an "
            "addon may make them anew by a trigger."
        )
    return [check]


@task(cache_policy=NO_CACHE)
def try_copy(target: str, scratch: str, users_sha256: str) -> Trial:
    """Boot a real Odoo on a neutralised scratch database and use it as a user would.

    Questions that only make sense after one that failed are left out: they are not measured.
    """
    runtime = OdooEnvironment.open(target)
    settings, password = runtime.environment.database, secrets.token_urlsafe(24)
    with database.connect(runtime.host, settings, scratch) as connection:
        login = copies.give_login(connection, password)
        sample = odoo_database.read_sample_attachment(connection)
    checks: list[Check] = []
    begun, ready_seconds = time.monotonic(), None
    get_run_logger().info("Booting Odoo on the copy %s", scratch)
    with booted(runtime, scratch) as copy:
        for name, question in _questions(copy, login, password, sample):
            checks.append(_ask(name, question))
            if checks[-1].outcome == "failed":
                break
            ready_seconds = ready_seconds or time.monotonic() - begun
        checks.append(_ask_log(copy))
    with database.connect(runtime.host, settings, scratch) as connection:
        unsettled = odoo_database.read_unsettled_modules(connection)
        checks.append(passed_or_failed(drills.SETTLED, unsettled, "none in a state `to …`"))
        changed = [] if odoo_database.read_users_digest(connection) == users_sha256 else ["they changed"]
        checks.append(passed_or_failed(drills.USERS_AFTER, changed, "as in the manifest"))
    return Trial(checks=tuple(checks), ready_seconds=ready_seconds)


def _questions(
    copy: BootedCopy, login: str, password: str, sample: tuple[int, str] | None
) -> Iterator[tuple[str, Callable[[], str]]]:
    """What Odoo is asked, in an order in which each makes sense only after those before it."""
    yield drills.LOGIN_PAGE, lambda: f"{len(copy.wait_for_login_page()):,} characters"
    yield drills.ASSETS, lambda: f"{len(copy.site.read_assets())} files"
    yield (
        drills.LOG_IN,
        lambda: f"{login}, by the web client's RPC; user {copy.site.log_in(copy.database, login, password)}",
    )
    yield drills.RECORDS, lambda: _read_records(copy)
    if sample is not None:
        yield drills.ATTACHMENT, lambda: _read_attachment(copy, *sample)
    yield drills.INVOICE, lambda: print_invoice(copy)


def _ask(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name=name, outcome="passed", detail=question())
    except VerificationFailed as error:
        return Check(name=name, outcome="failed", detail=str(error))
    except PreconditionFailed as error:
        return Check(name=name, outcome="not measured", detail=str(error))


def _read_records(copy: BootedCopy) -> str:
    counts = {model: copy.site.count(model) for model in ("res.partner", "res.users", "ir.module.module")}
    if not all(counts.values()):
        raise VerificationFailed(f"Odoo finds no records of a model that cannot be empty: {counts}.")
    return ", ".join(f"{count:,} of {model}" for model, count in counts.items())


def _read_attachment(copy: BootedCopy, attachment: int, sha1: str) -> str:
    found = copy.site.read_attachment_sha1(attachment)
    if found != sha1:
        raise VerificationFailed(f"Odoo serves ir.attachment {attachment} with sha1 {found} instead of {sha1}.")
    return f"ir.attachment {attachment} with its sha1"


def _ask_log(copy: BootedCopy) -> Check:
    lines = copy.read_log()
    if not any(_LOGGED.match(line) for line in lines):
        return Check(name=drills.LOG, outcome="not measured", detail="no line has the form of Odoo's log")
    errors = [line for line in lines if _LOGGED_ERROR.match(line)]
    return passed_or_failed(drills.LOG, errors, f"{len(lines)} lines")
