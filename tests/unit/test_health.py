from datetime import UTC, datetime, timedelta

import pytest
from described_containers import container

from odoo_ops.model.checks import Check
from odoo_ops.model.environment import BackupPolicy, DatabaseSettings, Environment, OdooSettings
from odoo_ops.model.health import (
    Certificate,
    Crons,
    DatabaseHealth,
    Disk,
    HealthFacts,
    HealthPolicy,
    LateCron,
    NewestFiles,
    Problem,
    Project,
    Queue,
    Service,
)
from odoo_ops.model.runtimes import Container
from odoo_ops.policy import layers
from odoo_ops.policy.health import (
    answered_by_release,
    answered_by_restart,
    first_failed,
    judge_health,
    lost_by_release,
    next_step,
    who_stops_odoo,
)

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GB = 10**9
REFUSED = Problem(said="connection refused")
ERP = Environment(
    name="erp",
    stage="production",
    odoo=OdooSettings(version="19.0", command=("odoo",)),
    database=DatabaseSettings(name="erp", user="odoo"),
    data_dir="/var/lib/odoo",
    state_dir="/var/lib/odoo-ops/erp",
)


def ago(**time: float) -> datetime:
    return AT - timedelta(**time)


CRONS = Crons(active=12, last_call=ago(minutes=1), late=(), failing=())
DATABASE = DatabaseHealth(
    at=AT,
    postgres_version="17.5",
    odoo_version="19.0.1.3",
    modules=40,
    unsettled=(),
    crons=CRONS,
    mails=Queue(waiting=0, oldest_at=None, failed=0),
    jobs=Queue(waiting=0, oldest_at=None, failed=0),
    newest_files=("ab/abc",),
)
WELL = HealthFacts(
    at=AT,
    services=Service(runs=True),
    database=DATABASE,
    pooler=True,
    files=NewestFiles(looked_for=1, missing=()),
    registry=True,
    login_page=True,
    assets=4,
    public_url="https://erp.example.com",
    websocket=True,
    certificate=Certificate(ends_at=AT + timedelta(days=60, hours=1)),
    disks=(Disk(folder="/var/lib/odoo", free_bytes=50 * GB, total_bytes=100 * GB),),
)


def project(*containers: Container, services: tuple[str, ...] = ("odoo",)) -> dict[str, object]:
    return {"services": Project(services=services, odoo_services=("odoo",), containers=containers)}


def database(**changes: object) -> dict[str, object]:
    return {"database": DATABASE.model_copy(update=changes)}


def disk(percent: int) -> Disk:
    return Disk(folder=f"/{percent}", free_bytes=percent * GB, total_bytes=100 * GB)


def asked(**changes: object) -> dict[str, Check]:
    checks = judge_health(WELL.model_copy(update=changes), ERP)
    assert [check.name for check in checks] == list(layers.LAYERS)
    return {check.name: check for check in checks}


def test_every_layer_passes_when_all_is_well() -> None:
    checks = asked()
    assert {check.outcome for check in checks.values()} == {"passed"}
    assert checks[layers.CERTIFICATE].detail == "60 days left, until 2026-04-30 13:00 UTC"
    assert checks[layers.CRONS].detail == "12 actions, last 1 min 0 s ago"
    assert checks[layers.DISKS].detail == "/var/lib/odoo: 50 % free (50.0 GB)"


@pytest.mark.parametrize(
    ("changes", "layer", "found"),
    [
        (
            {"files": NewestFiles(looked_for=2, missing=("/var/lib/odoo/filestore/erp/ab/abc",))},
            layers.FILES,
            "1 of 2 files are missing, 0 accepted; /var/lib/odoo/filestore/erp/ab/abc is lost",
        ),
        ({"services": Service(runs=False)}, layers.SERVICES, "Odoo's service does not run"),
        (project(), layers.SERVICES, "odoo has no container"),
        (project(container(state="exited", exit_code=143)), layers.SERVICES, "odoo is exited with status 143"),
        (
            project(container(state="exited", exit_code=137, out_of_memory=True)),
            layers.SERVICES,
            "odoo is exited with status 137, for want of memory",
        ),
        (
            project(container(state="exited", restart_policy="no")),  # of others this would be work that is done
            layers.SERVICES,
            "odoo is exited with status 0",
        ),
        (project(container(health="unhealthy")), layers.SERVICES, "odoo is unhealthy"),
        (
            project(container(restarts=3, started_at=ago(minutes=2))),
            layers.SERVICES,
            "odoo was started again 3 times by Docker, last at 2026-03-01 11:58 UTC",
        ),
        ({"services": REFUSED}, layers.SERVICES, REFUSED.said),
        ({"database": REFUSED}, layers.POSTGRES, REFUSED.said),
        ({"pooler": REFUSED}, layers.POOLER, REFUSED.said),
        (database(unsettled=("sale",)), layers.MODULES, "module sale waits to be changed"),
        (
            database(odoo_version="18.0.1.3"),
            layers.MODULES,
            "the database is of Odoo 18.0.1.3, the environment of 19.0",
        ),
        ({"registry": REFUSED, "login_page": None, "assets": None}, layers.REGISTRY, REFUSED.said),
        ({"login_page": REFUSED, "assets": None}, layers.LOGIN_PAGE, REFUSED.said),
        ({"assets": REFUSED}, layers.ASSETS, REFUSED.said),
        ({"websocket": REFUSED}, layers.WEBSOCKET, REFUSED.said),
        (
            database(crons=CRONS.model_copy(update={"late": (LateCron(name="Mail", due_at=ago(minutes=31)),)})),
            layers.CRONS,
            "Mail is 31 min 0 s late; last 1 min 0 s ago",
        ),
        (
            database(crons=Crons(active=1, last_call=None, late=(), failing=("Sync",))),
            layers.CRONS,
            "Sync fails again and again; none ever ran",
        ),
        (
            database(mails=Queue(waiting=7, oldest_at=ago(hours=3), failed=0)),
            layers.MAILS,
            "7 wait, the oldest for 3 h 0 min",
        ),
        (database(mails=Queue(waiting=0, oldest_at=None, failed=6)), layers.MAILS, "6 failed in the last 24 hours"),
        (
            database(jobs=Queue(waiting=1, oldest_at=ago(minutes=61), failed=0)),
            layers.JOBS,
            "1 wait, the oldest for 1 h 1 min",
        ),
        ({"disks": (disk(50), disk(9))}, layers.DISKS, "/9: 9 % free (9.0 GB)"),
        ({"certificate": REFUSED, "websocket": None}, layers.CERTIFICATE, REFUSED.said),
        (
            {"certificate": Certificate(ends_at=AT + timedelta(days=13, hours=23))},
            layers.CERTIFICATE,
            "13 days left, until 2026-03-15 11:00 UTC",
        ),
    ],
)
def test_layer_fails_and_alone_is_blamed_when_something_is_wrong_with_it(
    changes: dict[str, object], layer: str, found: str
) -> None:
    checks = asked(**changes)
    assert [check.name for check in checks.values() if check.outcome == "failed"] == [layer]
    assert checks[layer].detail == found
    assert next_step(checks[layer]) == f"Next step: {layers.LOOK_AT[layer]}."


@pytest.mark.parametrize(
    "changes",
    [
        project(container(), container(service="setup", state="exited", restart_policy=""), services=("odoo", "setup")),
        project(container(health="starting")),
        project(container(restarts=3, started_at=ago(days=1))),
        project(container(), container(service="drill", state="exited", exit_code=1)),  # nothing asks for it
        database(crons=CRONS.model_copy(update={"late": (LateCron(name="Mail", due_at=ago(minutes=30)),)})),
        database(mails=Queue(waiting=900, oldest_at=ago(minutes=119), failed=5)),
        {"disks": (disk(10),)},
        {"certificate": Certificate(ends_at=AT + timedelta(days=14))},
    ],
)
def test_nothing_is_blamed_when_it_is_within_its_limits(changes: dict[str, object]) -> None:
    assert {check.outcome for check in asked(**changes).values()} == {"passed"}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"services": Service(runs=None)}, {layers.SERVICES: "the environment names no service"}),
        (
            {"database": REFUSED},
            dict.fromkeys(
                (layers.POOLER, layers.MODULES, layers.CRONS, layers.MAILS, layers.JOBS), "PostgreSQL does not answer"
            ),
        ),
        ({"files": None}, {layers.FILES: "PostgreSQL does not answer"}),
        ({"files": NewestFiles(looked_for=0, missing=())}, {layers.FILES: "no attachment has a file there"}),
        ({"pooler": None}, {layers.POOLER: "the environment has no PgBouncer of `provision`"}),
        (
            {"registry": REFUSED, "login_page": None, "assets": None},
            dict.fromkeys((layers.LOGIN_PAGE, layers.ASSETS), "the registry does not load"),
        ),
        ({"login_page": REFUSED, "assets": None}, {layers.ASSETS: "the login page does not answer"}),
        (
            database(crons=Crons(active=0, last_call=None, late=(), failing=())),
            {layers.CRONS: "no action is active, and none ever ran"},
        ),
        (
            database(mails=None, jobs=None),
            {
                layers.MAILS: "the module mail is not installed",
                layers.JOBS: "the module queue_job is not installed",
            },
        ),
        ({"certificate": REFUSED, "websocket": None}, {layers.WEBSOCKET: "the certificate is refused"}),
        (
            {"certificate": None, "websocket": REFUSED},
            {layers.CERTIFICATE: "nobody answers at https://erp.example.com"},
        ),
    ],
)
def test_layer_that_cannot_be_asked_is_not_measured_and_says_why(
    changes: dict[str, object], reasons: dict[str, str]
) -> None:
    checks = asked(**changes).values()
    assert {check.name: check.detail for check in checks if check.outcome == "not measured"} == reasons


@pytest.mark.parametrize(
    ("url", "websocket", "reasons"),
    [
        (
            None,
            None,
            dict.fromkeys((layers.WEBSOCKET, layers.CERTIFICATE), "the environment names no `odoo.public_url`"),
        ),
        ("http://erp", True, {layers.CERTIFICATE: "http://erp has none"}),
    ],
)
def test_what_an_environment_does_not_have_is_not_measured(
    url: str | None, websocket: bool | None, reasons: dict[str, str]
) -> None:
    facts = WELL.model_copy(update={"certificate": None, "public_url": url, "websocket": websocket})
    checks = judge_health(facts, ERP)
    assert {check.name: check.detail for check in checks if check.outcome == "not measured"} == reasons


@pytest.mark.parametrize(
    ("missing", "accepted", "outcome", "detail"),
    [
        (0, 2, "passed", "7 files"),
        (2, 2, "passed", "2 of 7 files are missing, 2 accepted"),
        (3, 2, "failed", "3 of 7 files are missing, 2 accepted; /f/0 is lost; /f/1 is lost; /f/2 is lost"),
    ],
)
def test_lost_files_are_blamed_only_when_they_are_more_than_accepted(
    missing: int, accepted: int, outcome: str, detail: str
) -> None:
    found = NewestFiles(looked_for=7, missing=tuple(f"/f/{number}" for number in range(missing)))
    environment = ERP.model_copy(update={"backup": BackupPolicy(damaged_attachments_allowed=accepted)})
    checks = judge_health(WELL.model_copy(update={"files": found}), environment)
    (check,) = [check for check in checks if check.name == layers.FILES]
    assert (check.outcome, check.detail) == (outcome, detail)


def test_filestore_of_which_nothing_is_left_is_no_accepted_loss() -> None:
    found = NewestFiles(looked_for=2, missing=("/f/0", "/f/1"))
    environment = ERP.model_copy(update={"backup": BackupPolicy(damaged_attachments_allowed=2)})
    checks = judge_health(WELL.model_copy(update={"files": found}), environment)
    assert [check.outcome for check in checks if check.name == layers.FILES] == ["failed"]


def test_nothing_else_is_asked_when_the_host_does_not_answer() -> None:
    checks = judge_health(REFUSED, ERP)
    assert [check.name for check in checks] == list(layers.LAYERS)
    assert [check.outcome for check in checks] == ["failed"] + ["not measured"] * (len(checks) - 1)


def test_lowest_layer_comes_first_and_keeps_the_next_step_that_it_names_itself() -> None:
    said = "Cannot open it. Next step: see that PostgreSQL runs."
    checks = judge_health(WELL.model_copy(update={"database": Problem(said=said), "login_page": REFUSED}), ERP)
    lowest = first_failed(checks)
    assert lowest is not None
    assert (lowest.name, next_step(lowest)) == (layers.POSTGRES, "")
    assert first_failed(judge_health(WELL, ERP)) is None


def test_limits_are_those_of_the_environment() -> None:
    strict = ERP.model_copy(update={"health": HealthPolicy(certificate_days=90, free_percent=60)})
    failed = [check.name for check in judge_health(WELL, strict) if check.outcome == "failed"]
    assert failed == [layers.DISKS, layers.CERTIFICATE]


@pytest.mark.parametrize(
    ("purpose", "stops"),
    [
        ("restore", True),
        ("import", True),
        ("restart", True),
        ("backup", False),
        ("look at a restore", False),
        ("look at an import", False),
    ],
)
def test_only_a_holder_that_stops_odoo_excuses_it(purpose: str, stops: bool) -> None:
    owner = {"purpose": purpose, "holder": "flow run x", "since": "2026-03-01T12:00:00+00:00"}
    assert who_stops_odoo(owner) == (f"{purpose} (flow run x, since 2026-03-01T12:00:00+00:00)" if stops else None)
    assert who_stops_odoo(None) is None
    assert who_stops_odoo({}) is None


def test_restart_answers_for_serving_and_for_what_was_well_before() -> None:
    late = database(mails=Queue(waiting=0, oldest_at=None, failed=6))
    before = judge_health(WELL.model_copy(update={**late, "login_page": REFUSED, "assets": None}), ERP)
    after = judge_health(
        WELL.model_copy(update={**late, "login_page": REFUSED, "assets": None, "disks": (disk(1),)}), ERP
    )
    failed = [check.name for check in answered_by_restart(before, after) if check.outcome == "failed"]
    assert failed == [layers.LOGIN_PAGE, layers.DISKS]


def test_release_does_not_answer_for_what_actions_should_have_done_meanwhile() -> None:
    before = judge_health(WELL, ERP)
    late = {**database(mails=Queue(waiting=0, oldest_at=None, failed=6)), "disks": (disk(1),)}
    after = answered_by_release(before, judge_health(WELL.model_copy(update=late), ERP))
    outcomes = {check.name: check.outcome for check in after}
    assert (outcomes[layers.MAILS], outcomes[layers.CRONS]) == ("not measured", "passed")
    assert [check.name for check in after if check.outcome == "failed"] == [layers.DISKS]


def test_release_is_taken_back_for_what_it_broke_and_for_nothing_that_failed_before() -> None:
    before = judge_health(WELL.model_copy(update={"websocket": REFUSED}), ERP)
    assert [check.outcome for check in lost_by_release(before, before) if check.name == layers.WEBSOCKET] == []
    after = judge_health(
        WELL.model_copy(update={"websocket": REFUSED, "login_page": REFUSED, "disks": (disk(1),)}), ERP
    )
    assert [check.name for check in lost_by_release(before, after) if check.outcome == "failed"] == [layers.LOGIN_PAGE]
    assert layers.LOGIN_PAGE in [check.name for check in lost_by_release(after, after)]
    unloaded = judge_health(WELL.model_copy(update={"registry": REFUSED, "login_page": None, "assets": None}), ERP)
    assert layers.REGISTRY in [check.name for check in lost_by_release(unloaded, unloaded)]


@pytest.mark.parametrize(
    ("found", "waiting"),
    [
        (Service(runs=True), ""),
        (Service(runs=False), "Odoo's service does not run"),
        (project(container())["services"], ""),
        (project(container(health="healthy"), container(service="db", state="exited"))["services"], ""),
        (project(container(health="starting"))["services"], "odoo is starting"),
        (project(container(state="restarting", health="unhealthy"))["services"], "odoo is restarting"),
        (project()["services"], "odoo has no container"),
    ],
)
def test_odoo_is_ready_to_be_asked_once_its_services_run(found: Project | Service, waiting: str) -> None:
    assert layers.why_not_ready(found) == waiting
