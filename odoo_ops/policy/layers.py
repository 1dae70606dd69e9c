"""The layers of an environment, and what it means what was found of each: one check."""

from datetime import datetime, timedelta

from odoo_ops.model.checks import Check, passed_or_failed
from odoo_ops.model.health import (
    Certificate,
    Crons,
    DatabaseHealth,
    Disk,
    HealthPolicy,
    NewestFiles,
    Problem,
    Project,
    Queue,
    Service,
)
from odoo_ops.policy.containers import problems_of_service
from odoo_ops.units import shown_bytes, shown_duration

HOST = "The host answers"
SERVICES = "What must run runs"
POSTGRES = "PostgreSQL and the database answer"
POOLER = "The database answers through PgBouncer"
MODULES = "Odoo's version, settled modules"
FILES = "Files of the newest attachments"
REGISTRY = "Registry loads on the database"
LOGIN_PAGE = "/web/login answers"
ASSETS = "Scripts and styles of the login page"
WEBSOCKET = "Websocket through the proxy"
CRONS = "Scheduled actions run"
MAILS = "Mails are sent"
JOBS = "Jobs are done"
DISKS = "Room on the disks"
CERTIFICATE = "Certificate"

LOOK_AT = {
    HOST: "look whether the machine is on, and whether its network and SSH (or Docker there) answer",
    SERVICES: "look at `docker compose ps --all` and the logs of what is named here, or at the unit and Odoo's log",
    POSTGRES: "look at PostgreSQL's log, and at the disk that holds its data",
    POOLER: "run `provision`, which names files and containers that differ; where PostgreSQL was started anew past "
    "odoo-ops, `docker compose restart pgbouncer`, which may keep its former address for ten minutes",
    MODULES: "look at Odoo's log of the last update of modules, and update them with the Odoo that runs",
    FILES: "look whether the filestore was moved, or its disk is not mounted; if it is lost, run `restore`",
    REGISTRY: "look at the end of Odoo's log: the last traceback names the module, or why it does not answer",
    LOGIN_PAGE: "look at the end of Odoo's log: the last traceback names the template, the field or the setting",
    ASSETS: "look at Odoo's log, and whether the files of these attachments are in the filestore",
    WEBSOCKET: "look at `location /websocket` of the proxy: HTTP/1.1, headers Upgrade and Connection, to port 8072 "
    "where Odoo has workers",
    CRONS: "look in Odoo's log for the action that is named here, and at `max_cron_threads`",
    MAILS: "look at the outgoing mail servers in Odoo's settings, and at Technical, Emails for why mails failed",
    JOBS: "look at Job Queue in Odoo, and whether `queue_job` is in `server_wide_modules`",
    DISKS: "look at what grew: logs, sessions, old backups (`du -xh --max-depth=2`)",
    CERTIFICATE: "look at what renews it (its timer and its log), and whether the proxy was reloaded afterwards",
}
LAYERS = tuple(LOOK_AT)

_NO_POSTGRES = "PostgreSQL does not answer"
_NO_URL = "the environment names no `odoo.public_url`"
_DAY = timedelta(days=1)


def not_measured(layer: str, why: str) -> Check:
    """A layer that was not asked."""
    return Check(name=layer, outcome="not measured", detail=why)


def failed(layer: str, problem: Problem) -> Check:
    """A layer that was asked and did not give what it must."""
    return Check(name=layer, outcome="failed", detail=problem.said)


def judge_services(found: Project | Service | Problem, at: datetime) -> Check:
    """Odoo's service, or every service of its project that is meant to run."""
    match found:
        case Problem():
            return failed(SERVICES, found)
        case Service(runs=None):
            return not_measured(SERVICES, "the environment names no service")
        case Service(runs=runs):
            return passed_or_failed(SERVICES, [] if runs else ["Odoo's service does not run"], "Odoo's service")
        case Project():
            problems = [problem for name in found.services for problem in problems_of_service(found, name, at)]
            return passed_or_failed(SERVICES, problems, ", ".join(found.services))


def why_not_ready(found: Project | Service) -> str:
    """What keeps Odoo's services from being ready to be asked, in words; "": nothing."""
    match found:
        case Service(runs=runs):
            return "" if runs else "Odoo's service does not run"
        case Project(odoo_services=services, containers=containers):
            of_odoo = [container for container in containers if container.service in services]
            missing = set(services) - {container.service for container in of_odoo}
            waiting = [f"{name} has no container" for name in sorted(missing)]
            waiting += [
                f"{container.service} is {container.health if container.state == 'running' else container.state}"
                for container in of_odoo
                if container.state != "running" or container.health not in {"", "healthy"}
            ]
            return ", ".join(waiting)


def judge_database(found: DatabaseHealth | Problem, pooler: bool | Problem | None, version: str) -> list[Check]:
    """Whether PostgreSQL answers, through PgBouncer too, and whether what it holds is whole and of the right Odoo."""
    if isinstance(found, Problem):
        return [failed(POSTGRES, found), *(not_measured(name, _NO_POSTGRES) for name in (POOLER, MODULES))]
    problems = [f"module {name} waits to be changed" for name in found.unsettled]
    if not found.odoo_version.startswith(f"{version}."):
        problems.insert(0, f"the database is of Odoo {found.odoo_version}, the environment of {version}")
    return [
        Check(name=POSTGRES, outcome="passed", detail=found.postgres_version),
        _judge_pooler(pooler),
        passed_or_failed(MODULES, problems, f"{found.odoo_version}, {found.modules} modules"),
    ]


def _judge_pooler(found: bool | Problem | None) -> Check:
    match found:
        case Problem():
            return failed(POOLER, found)
        case None:
            return not_measured(POOLER, "the environment has no PgBouncer of `provision`")
        case _:
            return _passed(POOLER)


def judge_files(found: NewestFiles | Problem | None, accepted: int) -> Check:
    """Whether what people attached last is in the filestore; so many losses were accepted."""
    match found:
        case Problem():
            return failed(FILES, found)
        case None:
            return not_measured(FILES, _NO_POSTGRES)
        case NewestFiles(looked_for=0):
            return not_measured(FILES, "no attachment has a file there")
        case NewestFiles(missing=()):
            return _passed(FILES, f"{found.looked_for} files")
        case _:
            missing = f"{len(found.missing)} of {found.looked_for} files are missing, {accepted} accepted"
            lost = [missing, *(f"{path} is lost" for path in found.missing)]
            too_many = len(found.missing) > min(accepted, found.looked_for - 1)  # all of them are no accepted loss
            return passed_or_failed(FILES, lost if too_many else [], missing)


def judge_pages(
    registry: bool | Problem, login_page: bool | Problem | None, assets: int | Problem | None
) -> list[Check]:
    """Odoo's own view of its database, the login page, and what that is made of."""
    if isinstance(registry, Problem):
        pages = [not_measured(name, "the registry does not load") for name in (LOGIN_PAGE, ASSETS)]
        return [failed(REGISTRY, registry), *pages]
    loaded = _passed(REGISTRY)
    if isinstance(login_page, Problem):
        return [loaded, failed(LOGIN_PAGE, login_page), not_measured(ASSETS, "the login page does not answer")]
    asked = failed(ASSETS, assets) if isinstance(assets, Problem) else _passed(ASSETS, f"{assets} files")
    return [loaded, _passed(LOGIN_PAGE), asked]


def judge_websocket(found: bool | Problem | None, url: str | None) -> Check:
    """The way of websockets at the address that people use."""
    if url is None:
        return not_measured(WEBSOCKET, _NO_URL)
    match found:
        case Problem():
            return failed(WEBSOCKET, found)
        case None:
            return not_measured(WEBSOCKET, "the certificate is refused")
        case _:
            return _passed(WEBSOCKET, url)


def judge_certificate(
    found: Certificate | Problem | None, url: str | None, at: datetime, policy: HealthPolicy
) -> Check:
    """The certificate of the address that people use."""
    match found:
        case Problem():
            return failed(CERTIFICATE, found)
        case Certificate(ends_at=ends_at):
            left = (ends_at - at) // _DAY
            shown = f"{left} days left, until {_shown(ends_at)}"
            return passed_or_failed(CERTIFICATE, [shown] if left < policy.certificate_days else [], shown)
        case None if url is None:
            return not_measured(CERTIFICATE, _NO_URL)
        case None:
            https = str(url).startswith("https:")
            return not_measured(CERTIFICATE, f"nobody answers at {url}" if https else f"{url} has none")


def judge_crons(crons: Crons, at: datetime, policy: HealthPolicy) -> Check:
    """Whether scheduled actions run in time, and do not fail again and again; a copy's are off, and tell nothing."""
    too_late = timedelta(minutes=policy.cron_minutes)
    problems = [f"{cron.name} is {_since(cron.due_at, at)} late" for cron in crons.late if at - cron.due_at > too_late]
    problems += [f"{name} fails again and again" for name in crons.failing]
    last = f"last {_since(crons.last_call, at)} ago" if crons.last_call else "none ever ran"
    if problems:
        problems.append(last)
    elif not crons.active and crons.last_call is None:
        return not_measured(CRONS, "no action is active, and none ever ran")
    return passed_or_failed(CRONS, problems, f"{crons.active} actions, {last}")


def judge_queue(
    layer: str, queue: Queue | None, at: datetime, *, module: str, minutes: int, failures_allowed: int
) -> Check:
    """Whether what waits is done in time, and how much of it failed of late."""
    if queue is None:
        return not_measured(layer, f"the module {module} is not installed")
    waiting = f"{queue.waiting} wait"
    problems = []
    if queue.oldest_at:
        waiting += f", the oldest for {_since(queue.oldest_at, at)}"
        if at - queue.oldest_at > timedelta(minutes=minutes):
            problems.append(waiting)
    if queue.failed > failures_allowed:
        problems.append(f"{queue.failed} failed in the last 24 hours")
    return passed_or_failed(layer, problems, f"{waiting}; {queue.failed} failed in the last 24 hours")


def judge_disks(disks: tuple[Disk, ...], policy: HealthPolicy) -> Check:
    """Whether every disk has room."""
    shown = {disk: f"{disk.folder}: {_percent(disk):.0f} % free ({shown_bytes(disk.free_bytes)})" for disk in disks}
    full = [text for disk, text in shown.items() if _percent(disk) < policy.free_percent]
    return passed_or_failed(DISKS, full, "; ".join(shown.values()))


def _percent(disk: Disk) -> float:
    return 100 * disk.free_bytes / disk.total_bytes if disk.total_bytes else 0.0


def _passed(layer: str, detail: str = "") -> Check:
    return Check(name=layer, outcome="passed", detail=detail)


def _since(then: datetime, at: datetime) -> str:
    return shown_duration((at - then).total_seconds())


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
