"""A service that does not get healthy is told with what its container says; Docker itself is a stand-in."""

from collections.abc import Callable, Sequence

import pytest
from described_containers import container
from provisioned import described

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import CommandFailed, PreconditionFailed
from odoo_ops.model.command import Command, Result
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host
from odoo_ops.model.runtimes import Container
from odoo_ops.policy.containers import shown_log, why_not_healthy
from odoo_ops.policy.project_plans import described_project
from odoo_ops.runtimes.brought_up import bring_up, replace_containers
from odoo_ops.runtimes.project import Project

_LOG = 'GET /web/reset_password?token=canary HTTP/1.1" 200\nImportError: no module named shelf\n'


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (container(health="healthy"), ""),
        (container(), ""),
        (container(health="unhealthy"), "is unhealthy"),
        (container(health="starting"), "is not healthy yet"),
        (container(state="exited", exit_code=1), "is exited with status 1"),
        (
            container(state="restarting", exit_code=137, out_of_memory=True),
            "is restarting with status 137, for want of memory",
        ),
    ],
)
def test_container_that_was_waited_for_is_told_when_it_is_not_healthy(found: Container, why: str) -> None:
    assert why_not_healthy(found) == why


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('"GET /web?db=x&token=canary HTTP/1.1" 200', '"GET /web?(not shown) HTTP/1.1" 200'),
        ("fetching https://it:canary@git.example.com/a.git", "fetching https://(not shown)@git.example.com/a.git"),
        ("postgres://odoo:ca/na/ry@db/erp?x=canary", "postgres://(not shown)@db/erp?(not shown)"),
        (
            """STATEMENT:  CREATE ROLE "pg_odoo" LOGIN PASSWORD 'can''ary' NOINHERIT;\nnext""",
            """STATEMENT:  CREATE ROLE "pg_odoo" LOGIN PASSWORD (not shown)\nnext""",
        ),
        (r"ALTER ROLE odoo password E'can\'ary'", "ALTER ROLE odoo password (not shown)"),
        ("odoo --db_password=can,ary --dev=all", "odoo --db_password=(not shown) --dev=all"),
        ("odoo --db_password canary --dev=all", "odoo --db_password (not shown) --dev=all"),
        ("host=db password=canary dbname=erp", "host=db password=(not shown) dbname=erp"),
        ("PGPASSWORD='can ary' psql", "PGPASSWORD=(not shown)"),
        ("{'db_passwd': 'canary'}", "{'db_passwd': (not shown)"),
        ('password authentication failed for "odoo"', 'password authentication failed for "odoo"'),
        ("Is it there? It is.", "Is it there? It is."),
    ],
)
def test_log_is_shown_without_passwords_and_what_addresses_hide(line: str, shown: str) -> None:
    assert shown_log(line) == shown


class _Docker:
    """Fails to bring services up; what it says of containers and their logs is given."""

    def __init__(self, containers: Sequence[Container], *, dies: bool = False) -> None:
        self.containers, self.dies = containers, dies

    def run(self, command: Command, **_: object) -> Result:
        if "logs" not in command.argv or self.dies:
            raise CommandFailed(str(command), 1, "container erp-staging-odoo-1 is unhealthy", where="erp-1")
        assert "--tail=15" in command.argv
        return Result(stdout=f"{command.argv[-1]}: ", stderr=_LOG, seconds=0)


def _project() -> Project:
    settings = Environment.model_validate(described("staging"))
    return Project(HostAdapter(Host(name="erp-1")), settings, described_project(settings))


def _error(
    monkeypatch: pytest.MonkeyPatch,
    docker: _Docker,
    bring: Callable[[Project, Sequence[str]], None] = bring_up,
) -> str:
    monkeypatch.setattr(HostAdapter, "run", docker.run)
    for module in ("docker", "project"):
        monkeypatch.setattr(f"odoo_ops.runtimes.{module}.read_containers", lambda *_: docker.containers)
    with pytest.raises(PreconditionFailed) as caught:
        bring(_project(), ["odoo", "odoo-cron"])
    return str(caught.value)


@pytest.mark.parametrize(("bring", "tried"), [(bring_up, "Bringing up"), (replace_containers, "Replacing")])
def test_services_that_do_not_get_healthy_are_told_with_the_ends_of_their_logs(
    monkeypatch: pytest.MonkeyPatch, bring: Callable[[Project, Sequence[str]], None], tried: str
) -> None:
    others = [container(id="3", service="db", health="unhealthy"), container(id="4", service="odoo-cron")]
    said = _error(monkeypatch, _Docker([container(id="7", health="unhealthy"), *others]), bring)
    assert f"{tried} odoo, odoo-cron of the compose project erp-staging on erp-1 failed. Docker said:\n" in said
    assert "odoo is unhealthy. Its log ends:\n7: GET /web/reset_password?(not shown) HTTP" in said
    assert "ImportError: no module named shelf" in said
    assert "odoo-cron is" not in said
    assert "db is" not in said


@pytest.mark.parametrize("docker", [_Docker([container(health="unhealthy")], dies=True), _Docker([])])
def test_error_stays_as_it_is_when_there_is_no_log(monkeypatch: pytest.MonkeyPatch, docker: _Docker) -> None:
    said = _error(monkeypatch, docker)
    assert said.endswith("Next step: try it there by hand, in /srv/erp-staging.")


_FORMER, _PRESENT = "ab" * 32, "cd" * 32


class _Replacing:
    """Docker that makes Odoo's container anew, and fails at some commands (words of theirs)."""

    def __init__(self, *fails: str) -> None:
        self.fails, self.volumes, self.removed = fails, [_FORMER], list[str]()

    def run(self, command: Command, **_: object) -> Result:
        if "up" in command.argv:
            self.volumes = [_PRESENT]
        failing = any(word in command.argv for word in self.fails)
        if command.argv[:3] == ("docker", "volume", "rm") and not failing:
            self.removed += command.argv[4:]
        if failing:
            raise CommandFailed(str(command), 1, "volume is in use", where="erp-1")
        return Result(stdout="", stderr="", seconds=0)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(HostAdapter, "run", self.run)
        for module in ("docker", "project"):
            monkeypatch.setattr(
                f"odoo_ops.runtimes.{module}.read_containers", lambda *_: [container(nameless_volumes=self.volumes)]
            )


def test_volumes_of_former_containers_are_removed_also_when_the_new_ones_do_not_get_healthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    docker = _Replacing("up")
    docker.use(monkeypatch)
    with pytest.raises(PreconditionFailed, match="Replacing odoo"):
        replace_containers(_project(), ["odoo"])
    assert docker.removed == [_FORMER]


def test_replacement_is_done_though_a_volume_of_a_former_container_stays(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    docker = _Replacing("volume")
    docker.use(monkeypatch)
    replace_containers(_project(), ["odoo"])
    assert docker.removed == []
    assert "Volumes of former containers stay" in caplog.text
    assert "volume is in use" in caplog.text
