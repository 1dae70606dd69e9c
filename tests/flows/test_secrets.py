"""No secret is seen anywhere but where it is needed: every secret field of every block holds a canary."""

import base64
import html
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
import yaml
from addons_repository import put_on_record
from backup_servers import RestServer, S3Server
from exec_records import Started, recorder, started
from psycopg import sql
from real_sshd import RealSshd, make_key
from recorded_run import Planned, RecordedRun, Step, planted_fields, see_prefect_keeps_none
from released_addons import ReleasedAddons
from secret_traces import Canary, Watch, open_to_others, secret_fields, seen, seen_in_files
from served_odoo import described

import blocks
from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.environment import ProcessService
from odoo_ops.model.host import Host
from odoo_ops.policy.recovery_keys import check_characters

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

DEPLOYMENTS = Path(__file__).parents[2] / "prefect.yaml"

# What every flow is told beside the environment: first those that pass with the password from the start.
FLOWS: dict[str, dict[str, object]] = {
    "backup": {},
    "restore": {},
    "drill": {"target": "TRIAL"},
    "export_zip": {"destination": "FOLDER/out.zip"},
    "import_zip": {"environment": "TRIAL", "source": "FOLDER/out.zip"},
    "check_repository": {},
    "forget": {"dry_run": False},
    "prune": {"dry_run": False},
}
LATER: dict[str, dict[str, object]] = {"rotate_repository_key": {}, "copy_offsite": {}, "restart": {}, "health": {}}
# Those of addons, in their order: once they are released, there is nothing new for the next two.
OF_ADDONS: dict[str, dict[str, object]] = {
    "forecast": {"environment": "SITE"},
    "release": {"environment": "SITE"},
    "roll_out": {"environments": ["SITE"]},
    "promote": {"source": "SITE", "target": "SITE", "soak_minutes": 0},
    "rollback": {"environment": "SITE", "confirm": "SITE"},
}

# programs that are told a secret by a variable; ssh is started by restic and has all that restic has
PROGRAMS = {"pg_dump", "pg_restore", "psql", "vacuumdb", "restic", "broken-restic", "ssh"}
# git, told a token, and what it starts to fetch by HTTP; its part for submodules is a script
GIT = {"git", "git-remote-http", "git-submodule", "basename", "sed", "uname", "gettext", "envsubst"}
# an Odoo on a copy, and what it and its launcher start
ODOO = {"odoo", "python", "readlink", "dirname", "ldconfig"}

# An agent becomes this user by sudo; sudo gets no rights from a recorder that is not root.
BECOME = "root" if os.geteuid() == 0 else None


def _in_base64(before: bytes) -> Callable[[str], bytes]:
    return lambda text: base64.b64encode(before + text.encode() + b" after")


@pytest.mark.parametrize(
    "write",
    [
        str.encode,
        lambda text: json.dumps(json.dumps(text)).encode(),
        lambda text: repr([text]).encode(),
        lambda text: quote_plus(text).encode(),
        lambda text: html.escape(text).encode(),
        lambda text: text.encode().hex().encode(),
        _in_base64(b""),
        _in_base64(b"u"),
        _in_base64(b"user:"),
    ],
)
@pytest.mark.parametrize(
    "canary", [Canary.password("it"), Canary.given("it", "qR7+x/Yz0aQ=kLm3/pT+uV9wX2yZ4bC6dE8fG0h")]
)
def test_search_finds_a_secret_however_it_is_written(canary: Canary, write: Callable[[str], bytes]) -> None:
    assert seen(b"\0..." + write(canary.text), [canary]) == {"it"}
    assert seen(write("something else"), [canary]) == set()


def test_every_deployed_flow_is_searched() -> None:
    deployed = yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]
    in_docker = {"provision", "renew_certificates", "adopt"}  # test_provision.py, test_acme.py, test_adopt.py there
    assert {each["entrypoint"].split(".")[1] for each in deployed} == {*FLOWS, *LATER, *OF_ADDONS, *in_docker}


def test_recording_holds_a_program_however_short_it_lives(strace: Path, tmp_path: Path) -> None:
    canary = Canary.password("it")
    script = 'for n in 1 2 3 4 5; do /bin/true "$0" & WORD=$0 /bin/true & done; wait; exit 7'
    argv = [*recorder(strace, tmp_path / "record"), "/bin/sh", "-c", script, canary.text]
    assert subprocess.run(argv, check=False).returncode == 7
    programs = started(tmp_path / "record")
    found = [(each.program, seen(each.argv, [canary]), seen(each.variables, [canary])) for each in programs]
    assert found.count(("true", {"it"}, set())) == 5
    assert found.count(("true", set(), {"it"})) == 5


def test_what_others_may_use_is_found(tmp_path: Path) -> None:
    root, inner = tmp_path / "state", tmp_path / "state" / "inner"
    for folder in (root, inner):
        folder.mkdir(mode=0o700)
    (inner / "own").touch(mode=0o600)
    assert open_to_others([root]) == []
    (inner / "group").touch(mode=0o640)
    root.chmod(0o701)
    assert open_to_others([root]) == [f"{root} 701", f"{inner / 'group'} 640"]


@dataclass(frozen=True)
class Programs:
    """The real programs that the flows and their record need."""

    restic: Path
    sshd: Path
    rest_server: Path
    strace: Path


@dataclass
class Planted:
    """Canaries in files, and folders of environment files that name them."""

    folder: Path
    site: Site
    trial: Site
    programs: Programs
    canaries: list[Canary]
    sshd: RealSshd
    s3: S3Server
    rest: RestServer
    addons: ReleasedAddons

    def secret(self, name: str) -> dict[str, str]:
        canary = next(canary for canary in self.canaries if canary.name == name)
        file = self.folder / name
        file.write_text(f"{canary.text}\n")
        return {"from_file": str(file)}

    def describe(self, folder: str, **changed: object) -> str:
        """Write an environment file with some values of it changed; `host.connection.port=22`, say."""
        name = self.site.name
        known = {"address": "127.0.0.1", "port": self.sshd.port, "user": self.sshd.connection().user}
        known["known_hosts"] = self.sshd.known_hosts
        s3 = self.s3.location().model_dump(exclude_none=True)
        described = {
            "host": {
                "connection": {**known, "kind": "ssh", "private_key": self.secret("key of the host")},
                "python": sys.executable,
                "restic": str(self.programs.restic),
            },
            "main": {
                "location": {
                    **known,
                    "kind": "sftp",
                    "path": str(self.site.folder / "far"),
                    "private_key": self.secret("key for SFTP"),
                },
                "password": self.secret("repository"),
            },
            "s3": {
                "location": s3,
                "password": self.secret("off-site"),
                "keys": {
                    "access_key_id": self.s3.keys.access_key_id,
                    "secret_access_key": self.secret("key for S3"),
                },
            },
            "rest": {
                "location": {
                    "kind": "rest",
                    "url": self.rest.location().url,
                    "user": "backup",
                    "password": self.secret("rest-server"),
                },
                "password": self.secret("off-site"),
            },
            "environment": {**self._environment(self.site, "role"), "offsite": f"{name}-s3"},
            "trial": self._environment(self.trial, "role of the trial"),
        }
        for path, value in changed.items():
            *way, last = path.split("__")
            place: Any = described
            for key in way:
                place = place[key]
            place[last] = value
        file = self.folder / folder / "a.yaml"
        file.parent.mkdir(exist_ok=True)
        repositories = {f"{name}-{key}": described[key] for key in ("main", "s3", "rest")}
        sections = {
            "hosts": {f"{name}-host": described["host"]},
            "repositories": repositories,
            "environments": {name: described["environment"], self.trial.name: described["trial"]},
        }
        file.write_text(yaml.safe_dump(sections, sort_keys=False))
        return str(file.parent)

    def _environment(self, site: Site, role: str) -> dict[str, object]:
        """An environment on the planted host and repository."""
        settings = site.settings
        return {
            "stage": "testing",
            "host": f"{self.site.name}-host",
            "repository": f"{self.site.name}-main",
            "odoo": {"version": "19.0", "command": list(settings.odoo.command)},
            "database": {
                "name": settings.database.name,
                "server": "127.0.0.1",
                "port": settings.database.port,
                "user": settings.database.user,
                "password": self.secret(role),
                "admin_user": f"admin_{self.site.name}",
                "admin_password": self.secret("superuser"),
            },
            "data_dir": settings.data_dir,
            "state_dir": settings.state_dir,
        }

    @cached_property
    def service(self) -> tuple[ProcessService, str]:
        password = next(canary.text for canary in self.canaries if canary.name == "role")
        return described(self.site, self.folder, password, *self.addons.links)

    def served(self, by_ssh: str = "deploy key", by_http: str = "token") -> dict[str, object]:
        """The site's environment with an Odoo that can be started, and addons that can be released to it.

        What scheduled actions do is not looked at.
        """
        service, url = self.service
        odoo = {"version": "19.0", "command": list(self.site.settings.odoo.command), "url": url, "config": self.config}
        return {
            "environment__service": service.model_dump(mode="json"),
            "environment__odoo": odoo,
            "environment__health": {"cron_minutes": 24 * 60},
            "environment__release": self.addons.described(
                self.secret(by_ssh), self.secret(by_http), self.secret("admin of Odoo")
            ),
        }

    @property
    def config(self) -> str:
        return str(self.folder / "odoo.conf")

    def flow(self, name: str) -> Step:
        """A flow, with what it is told."""
        arguments = OF_ADDONS.get(name) or {"environment": "SITE", **{**FLOWS, **LATER}[name]}
        told = json.dumps(arguments)
        places = {"SITE": self.site.name, "TRIAL": self.trial.name, "FOLDER": str(self.folder.parent)}
        for place, there in places.items():
            told = told.replace(place, there)
        return "flow", name, json.loads(told)

    def installed(self, module: str) -> Step:
        """An operator's command that installs a module."""
        options = [f"--config={self.config}", f"--init={module}", "--stop-after-init", "--no-http"]
        return "run", "", [*self.site.settings.odoo.command, *options]

    def password_given(self) -> Step:
        """An operator's command that gives Odoo's user `admin` the password that releases log in with."""
        file = self.folder / "admin of Odoo"
        script = f"env.ref('base.user_admin').password = open({str(file)!r}).read().strip()\nenv.cr.commit()\n"
        return "run", script, [*self.site.settings.odoo.command, "shell", f"--config={self.config}", "--no-http"]


@pytest.fixture
def programs(
    restic: Path,
    sshd_program: Path,
    rest_server_program: Path,
    strace: Path,
    sudo: Path,  # noqa: ARG001 - agents become root by it
) -> Programs:
    return Programs(restic=restic, sshd=sshd_program, rest_server=rest_server_program, strace=strace)


@pytest.fixture
def planted(
    odoo_site: Site, drill_site: Site, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planted]:
    site, folder, git = odoo_site, odoo_site.folder / "planted", odoo_site.folder / "git"
    put_on_record(site.name)
    for path in (folder, git, *_homes(site)):
        path.mkdir(mode=0o700)
    names = [
        "role",
        "role of the trial",
        "superuser",
        "repository",
        "new repository",
        "off-site",
        "rest-server",
        "token",
        "admin of Odoo",
        "wrong",
        "no key",
    ]
    canaries = {name: Canary.password(name) for name in names}
    servers = [tmp_path_factory.mktemp(name) for name in ("sshd", "s3", "rest")]
    home, temporary, _ = map(str, _homes(site))
    recorded = recorder(programs.strace, folder / "record-of-host")
    with (
        RealSshd.run(programs.sshd, servers[0], {"HOME": home, "TMPDIR": temporary}, recorded) as sshd,
        S3Server.run(servers[1]) as s3,
        RestServer.run(programs.rest_server, servers[2], canaries["rest-server"].text) as rest,
        ReleasedAddons.run(sshd, git, canaries["token"].text) as addons,
    ):
        given = [
            Canary.key("key of the host", sshd.private_key),
            Canary.key("key for SFTP", (sshd.folder / "ecdsa").read_text()),
            Canary.key("deploy key", (sshd.folder / "rsa").read_text()),
            Canary.key("wrong key", make_key(folder / "wrong_ed25519").read_text()),
            Canary.given("key for S3", s3.keys.secret_access_key.get_secret_value()),
        ]
        every = [*canaries.values(), *given]
        planted = Planted(
            folder, site, drill_site, programs, canaries=every, sshd=sshd, s3=s3, rest=rest, addons=addons
        )
        with _passwords_given(planted):
            yield planted
        pid_file = str(folder / "odoo.pid")
        HostAdapter(Host(name="here")).call("stop_process", pid_file=pid_file, start=[], grace_seconds=60)
    shutil.rmtree(temporary)


def _homes(site: Site) -> tuple[Path, Path, Path]:
    """Home, folder of temporary files (sockets, whose paths must be short) and Prefect's home."""
    return site.folder / "home", Path(tempfile.gettempdir(), f"{site.name}-tmp"), site.folder / "prefect"


@contextmanager
def _passwords_given(planted: Planted) -> Iterator[None]:
    """The canaries as passwords; at the end the site's role, which other tests use, has its own again."""
    site, former = planted.site, planted.site.settings.database
    passwords = {canary.name: canary.text for canary in planted.canaries}
    change, make = "ALTER ROLE {} PASSWORD {}", "CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}"
    assert former.password is not None
    with site.admin() as connection:

        def give(statement: str, role: str, password: str) -> None:
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(password)))

        give(change, former.user, passwords["role"])
        give(change, planted.trial.settings.database.user, passwords["role of the trial"])
        give(make, f"admin_{site.name}", passwords["superuser"])
        try:
            yield
        finally:
            give(change, former.user, former.password.get_secret_value())


def _broken_restic(planted: Planted) -> str:
    """The real restic, but that it fails to store anything."""
    program = planted.site.folder / "broken-restic"
    fail = 'case " $* " in *" backup "*) echo "Fatal: the disk is on fire" >&2; exit 1;; esac'
    program.write_text(f'#!/bin/sh\n{fail}\nexec {planted.programs.restic} "$@"\n')
    program.chmod(0o755)
    return str(program)


def _registered(folder: str) -> Planned:
    return ("odoo-ops", "", ["environments", "register", folder]), 0


def _passing(planted: Planted) -> list[Planned]:
    """Steps that pass: every flow, and every command."""
    name, folder, main = planted.site.name, planted.folder, f"{planted.site.name}-main"
    right = planted.describe("right")
    rotated = planted.describe(
        "rotated", main__password=planted.secret("new repository"), main__former_password=planted.secret("repository")
    )
    by_rest = {
        "environment__offsite": f"{name}-rest",
        "main__password": planted.secret("new repository"),
        "host__become": BECOME,
    }
    new = next(canary.text for canary in planted.canaries if canary.name == "new repository")
    sheet = ["keys", "sheet", main, "--secret", str(folder / "new repository"), "--to", str(folder / "sheet.html")]
    return [
        (("odoo-ops", "", ["environments", "check", right]), 0),
        _registered(right),
        (("odoo-ops", "", ["environments", "list"]), 0),
        (("planted", name, None), dict),
        (("planted", planted.trial.name, None), dict),
        *[(planted.flow(flow), 0) for flow in FLOWS],
        _registered(rotated),
        (("planted", name, None), dict),
        (planted.flow("rotate_repository_key"), 0),
        _registered(planted.describe("by-rest", **by_rest)),
        (("planted", name, None), dict),
        (("odoo-ops", "", ["keys", "generate", main, "--to", str(folder / "generated")]), 0),
        (("odoo-ops", "", sheet), 0),
        (("odoo-ops", f"{check_characters(main, new)}\n", ["keys", "confirm", main]), 0),
        (("delete", f"{planted.site.settings.state_dir}/marker-offsite.json", None), 0),  # another one, on purpose
        (planted.flow("copy_offsite"), 0),
        (planted.installed("shelf"), 0),
        (planted.password_given(), 0),
        (planted.flow("backup"), 0),
        _registered(planted.describe("served", **planted.served(), **by_rest)),
        (("planted", name, None), dict),
        (planted.flow("restart"), 0),
        (planted.flow("health"), 0),
        *[(planted.flow(flow), 0) for flow in OF_ADDONS],
    ]


def _failing(planted: Planted) -> list[Planned]:
    """Steps that fail, with what they say."""
    name, right = planted.site.name, {"main__password": planted.secret("new repository")}
    by_rest = {**right, "environment__offsite": f"{name}-rest"}
    wrong, of_it = planted.secret("wrong"), {"environment": name}
    faults: list[tuple[str, dict[str, object], str]] = [
        ("copy_offsite", {**by_rest, "rest__location__password": wrong}, "cannot be opened: .*[Uu]nauthorized"),
        ("copy_offsite", {**right, "s3__keys__secret_access_key": wrong}, "cannot be opened: "),
        ("backup", {"main__password": wrong}, "cannot be opened: .*wrong password"),
        ("backup", {**right, "environment__database__password": wrong}, "password authentication failed"),
        ("backup", {**right, "environment__database__port": 1}, "TransientError: Cannot open database"),
        ("backup", {**right, "host__restic": "/not/there/restic"}, "cannot run /not/there/restic"),
        ("backup", {**right, "host__restic": _broken_restic(planted)}, "the disk is on fire"),
        (
            "backup",
            {**right, "host__connection__private_key": planted.secret("wrong key")},
            "did not accept the private key",
        ),
        ("backup", {**right, "host__connection__private_key": planted.secret("no key")}, "cannot be read"),
        ("release", {**right, **planted.served(by_ssh="wrong key")}, "ls-remote.*Permission denied"),
        ("release", {**right, **planted.served(by_http="wrong")}, "ls-remote.*(Authentication failed|could not read)"),
    ]
    steps: list[Planned] = []
    for number, (flow, changes, said) in enumerate(faults):
        steps += [_registered(planted.describe(f"fault-{number}", **changes)), (("flow", flow, of_it), said)]
    spoilt = planted.describe("last", **right)
    return [
        *steps,
        _registered(spoilt),
        (("spoil", name, None), 0),
        (("flow", "backup", of_it), "cannot read it. Next step: "),
    ]


@pytest.mark.postgres
@pytest.mark.restic
@pytest.mark.sshd
@pytest.mark.odoo
@pytest.mark.timeout(3000)  # fifty flows and commands, one after the other
def test_secrets_are_seen_nowhere_when_flows_pass_and_fail(planted: Planted) -> None:
    """The environment's name is no secret and is searched for as one: where it must stand, the search finds it."""
    site = planted.site
    searched = [*planted.canaries, Canary("control", site.name, (site.name,))]
    plan = [*_passing(planted), *_failing(planted)]
    run = RecordedRun(planted.programs.strace, planted.folder, site.folder / "output", _homes(site))
    states = [Path(each.settings.state_dir) for each in (site, planted.trial)]
    copies = [Path(each.settings.copy_dir) for each in (site, planted.trial)]
    watch = Watch([*states, *copies, *_homes(site)], searched)
    with watch.running():
        outcomes = run.run(plan)
    _check_planted(planted, outcomes)

    _check_started(run.started(), searched)
    assert {path: names for path, names in watch.in_files.items() if names - {"control"}} == {}
    assert {"manifest.json", "odoo.conf"} <= {Path(path).name for path in watch.in_files}
    assert open_to_others(states) == []

    logs = [planted.sshd.folder / "log", planted.rest.folder.parent / "rest.log", site.cluster.log]
    roots = [site.folder, *_homes(site), *logs]
    left = seen_in_files(roots, searched, without=planted.folder)
    assert {path: names for path, names in left.items() if names - {"control"}} == {}
    assert str(run.output) in left
    for name in ("generated", "generated.sheet.html", "sheet.html"):
        assert (planted.folder / name).stat().st_mode & 0o777 == 0o600

    see_prefect_keeps_none(searched, "control")


def _check_started(programs: list[Started], searched: list[Canary]) -> None:
    """Secrets are in no argv, and only in the variables of programs that need one: not in an agent's, nor in sudo's."""
    argvs = [(each, seen(each.argv, searched)) for each in programs]
    assert {each.argv for each, names in argvs if names - {"control"}} == set()
    assert {"control"} in [names for _, names in argvs]
    assert "sudo" in {each.program for each in programs} or BECOME is None
    told = {_called(each) for each in programs if seen(each.variables, searched) - {"control"}}
    assert {"pg_dump", "restic", "odoo", "git"} <= told <= PROGRAMS | ODOO | GIT
    assert "an agent" in map(_called, programs)


def _called(program: Started) -> str:
    """An agent and what leads to it, a login's shell and sudo, have one name, and it is in no list."""
    return "an agent" if b"g['begin']" in program.argv else program.program


def _check_planted(planted: Planted, outcomes: list[Any]) -> None:
    """Every secret field that a block has held a canary. A new one needs one: add it to `Planted.describe`."""
    found = planted_fields(outcomes, planted.canaries)
    # in tests/docker/test_secrets_of_projects.py
    in_docker = {
        "Provisioning.admin_password",
        "Provisioning.master_password",
        "DockerRegistryCredentials.password",
    }
    of_receiver = {"Source.secret", "Source.token"}  # no flow reads them: test_webhook.py
    assert found | in_docker | of_receiver == {
        field for name in blocks.__all__ for field in secret_fields(getattr(blocks, name))
    }
