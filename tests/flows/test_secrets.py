"""No secret is seen anywhere but where it is needed: every secret field of every block holds a canary."""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest
import recorded_steps
import yaml
from backup_servers import RestServer, S3Server
from prefect.settings import PREFECT_API_URL, get_current_settings
from psycopg import sql
from real_sshd import RealSshd, make_key
from secret_traces import Canary, Watch, secret_fields, seen, seen_in_database, seen_in_files

import blocks
from odoo_ops.policy.recovery_keys import check_characters

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

# programs that are told a secret by a variable; ssh is started by restic and has all that restic has
PROGRAMS = {"pg_dump", "pg_restore", "psql", "vacuumdb", "restic", "ssh"}

Step = tuple[str, str, Any]


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


@dataclass
class Planted:
    """Canaries in files, and folders of environment files that name them."""

    folder: Path
    site: Site
    canaries: list[Canary]
    sshd: RealSshd
    s3: S3Server
    rest: RestServer
    restic: Path

    def secret(self, name: str) -> dict[str, str]:
        canary = next(canary for canary in self.canaries if canary.name == name)
        file = self.folder / name
        file.write_text(f"{canary.text}\n")
        return {"from_file": str(file)}

    def describe(self, folder: str, **changed: object) -> str:
        """Write an environment file with some values of it changed; `host.connection.port=22`, say."""
        name, settings = self.site.name, self.site.settings
        known = {"address": "127.0.0.1", "port": self.sshd.port, "user": self.sshd.connection().user}
        known["known_hosts"] = self.sshd.known_hosts
        s3 = self.s3.location().model_dump(exclude_none=True)
        described = {
            "host": {
                "connection": {**known, "kind": "ssh", "private_key": self.secret("key of the host")},
                "python": sys.executable,
                "restic": str(self.restic),
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
            "environment": {
                "stage": "testing",
                "host": f"{name}-host",
                "repository": f"{name}-main",
                "offsite": f"{name}-s3",
                "odoo": {"version": "19.0", "command": ["/usr/bin/odoo"]},
                "database": {
                    "name": settings.database.name,
                    "server": "127.0.0.1",
                    "port": settings.database.port,
                    "user": settings.database.user,
                    "password": self.secret("role"),
                    "admin_user": f"admin_{name}",
                    "admin_password": self.secret("superuser"),
                },
                "data_dir": settings.data_dir,
                "state_dir": settings.state_dir,
            },
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
            "environments": {name: described["environment"]},
        }
        file.write_text(yaml.safe_dump(sections, sort_keys=False))
        return str(file.parent)


@pytest.fixture
def planted(
    site: Site, restic: Path, sshd_program: Path, rest_server_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Planted]:
    folder = site.folder / "planted"
    for path in (folder, *_homes(site)):
        path.mkdir(mode=0o700)
    names = ["role", "superuser", "repository", "new repository", "off-site", "rest-server", "wrong", "no key"]
    canaries = {name: Canary.password(name) for name in names}
    servers = [tmp_path_factory.mktemp(name) for name in ("sshd", "s3", "rest")]
    home, temporary, _ = map(str, _homes(site))
    with (
        RealSshd.run(sshd_program, servers[0], {"HOME": home, "TMPDIR": temporary}) as sshd,
        S3Server.run(servers[1]) as s3,
        RestServer.run(rest_server_program, servers[2], canaries["rest-server"].text) as rest,
    ):
        given = [
            Canary.key("key of the host", sshd.private_key),
            Canary.key("key for SFTP", (sshd.folder / "ecdsa").read_text()),
            Canary.key("wrong key", make_key(folder / "wrong_ed25519").read_text()),
            Canary.given("key for S3", s3.keys.secret_access_key.get_secret_value()),
        ]
        yield Planted(folder, site, [*canaries.values(), *given], sshd, s3, rest, restic)
    shutil.rmtree(temporary)


def _homes(site: Site) -> list[Path]:
    """Home, folder of temporary files (sockets, whose paths must be short) and Prefect's home."""
    return [site.folder / "home", Path(tempfile.gettempdir(), f"{site.name}-tmp"), site.folder / "prefect"]


def _give_passwords(planted: Planted) -> None:
    site, passwords = planted.site, {canary.name: canary.text for canary in planted.canaries}
    with site.admin() as connection:
        for statement, role, name in (
            ("ALTER ROLE {} PASSWORD {}", site.settings.database.user, "role"),
            ("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}", f"admin_{site.name}", "superuser"),
        ):
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(passwords[name])))


def _broken_restic(planted: Planted) -> str:
    """The real restic, but that it fails to store anything."""
    program = planted.site.folder / "broken-restic"
    fail = 'case " $* " in *" backup "*) echo "Fatal: the disk is on fire" >&2; exit 1;; esac'
    program.write_text(f'#!/bin/sh\n{fail}\nexec {planted.restic} "$@"\n')
    program.chmod(0o755)
    return str(program)


def _registered(folder: str) -> tuple[Step, object]:
    return ("odoo-ops", "", ["environments", "register", folder]), 0


def _passing(planted: Planted) -> list[tuple[Step, object]]:
    """Steps that pass: every flow that works on a repository, and every command."""
    name, folder, main = planted.site.name, planted.folder, f"{planted.site.name}-main"
    right, of_it = planted.describe("right"), {"environment": name}
    rotated = planted.describe(
        "rotated", main__password=planted.secret("new repository"), main__former_password=planted.secret("repository")
    )
    by_rest = {"environment__offsite": f"{name}-rest", "main__password": planted.secret("new repository")}
    new = next(canary.text for canary in planted.canaries if canary.name == "new repository")
    sheet = ["keys", "sheet", main, "--secret", str(folder / "new repository"), "--to", str(folder / "sheet.html")]
    return [
        (("odoo-ops", "", ["environments", "check", right]), 0),
        _registered(right),
        (("odoo-ops", "", ["environments", "list"]), 0),
        (("planted", name, None), dict),
        (("flow", "backup", of_it), 0),
        (("flow", "restore", of_it), 0),
        (("flow", "check_repository", of_it), 0),
        (("flow", "forget", {**of_it, "dry_run": False}), 0),
        _registered(rotated),
        (("planted", name, None), dict),
        (("flow", "rotate_repository_key", of_it), 0),
        _registered(planted.describe("by-rest", **by_rest)),
        (("planted", name, None), dict),
        (("odoo-ops", "", ["keys", "generate", main, "--to", str(folder / "generated")]), 0),
        (("odoo-ops", "", sheet), 0),
        (("odoo-ops", f"{check_characters(main, new)}\n", ["keys", "confirm", main]), 0),
        (("delete", f"{planted.site.settings.state_dir}/marker-offsite.json", None), 0),  # another one, on purpose
        (("flow", "copy_offsite", of_it), 0),
    ]


def _failing(planted: Planted) -> list[tuple[Step, object]]:
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
    ]
    steps: list[tuple[Step, object]] = []
    for number, (flow, changes, said) in enumerate(faults):
        steps += [_registered(planted.describe(f"fault-{number}", **changes)), (("flow", flow, of_it), said)]
    spoilt = planted.describe("last", **right)
    return [
        *steps,
        _registered(spoilt),
        (("spoil", name, None), 0),
        (("flow", "backup", of_it), "cannot read it. Next step: "),
    ]


def _run(planted: Planted, steps: list[Step]) -> list[Any]:
    """Run the steps in a process of its own, with folders of its own for all that a process leaves."""
    home, temporary, prefect_home = map(str, _homes(planted.site))
    outcomes, output = planted.folder / "outcomes.json", planted.site.folder / "output"
    with output.open("wb") as file:
        done = subprocess.run(
            [sys.executable, recorded_steps.__file__, str(outcomes)],
            input=json.dumps(steps).encode(),
            env={
                **os.environ,
                "HOME": home,
                "TMPDIR": temporary,
                "PREFECT_HOME": prefect_home,
                "PREFECT_API_URL": str(PREFECT_API_URL.value()),
                "PREFECT_LOGGING_LEVEL": "DEBUG",
                "PREFECT_LOGGING_TO_API_ENABLED": "true",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    assert done.returncode == 0, output.read_text()
    found: list[Any] = json.loads(outcomes.read_text())
    return found


@pytest.mark.postgres
@pytest.mark.restic
@pytest.mark.sshd
def test_secrets_are_seen_nowhere_when_flows_pass_and_fail(planted: Planted) -> None:
    """The environment's name is no secret and is searched for as one: where it must stand, the search finds it."""
    site = planted.site
    searched = [*planted.canaries, Canary("control", site.name, (site.name,))]
    _give_passwords(planted)
    plan = [*_passing(planted), *_failing(planted)]
    watch = Watch([site.folder / site.name / "state", *_homes(site)], searched)
    with watch.running():
        outcomes = _run(planted, [step for step, _ in plan])
    _check_outcomes(plan, outcomes, (site.folder / "output").read_text())
    _check_planted(planted, outcomes)

    shown = {argv: names for argv, names in watch.in_argv.items() if names - {"control"}}
    assert shown == {}
    assert {"control"} in watch.in_argv.values()
    assert {path: names for path, names in watch.in_files.items() if names - {"control"}} == {}
    assert any(path.endswith("manifest.json") for path in watch.in_files)
    told = {program for program, names in watch.in_variables.items() if names - {"control"}}
    assert {"pg_dump", "restic"} <= told <= PROGRAMS
    assert all(mode & 0o077 == 0 for mode in watch.modes)

    logs = [planted.sshd.folder / "log", planted.rest.folder.parent / "rest.log", site.cluster.log]
    roots = [site.folder, *_homes(site), *logs]
    left = seen_in_files(roots, searched, without=planted.folder)
    assert {path: names for path, names in left.items() if names - {"control"}} == {}
    assert str(site.folder / "output") in left
    for name in ("generated", "generated.sheet.html", "sheet.html"):
        assert (planted.folder / name).stat().st_mode & 0o777 == 0o600

    url = get_current_settings().server.database.connection_url
    database = Path(url.get_secret_value().partition(":///")[2])
    tables = seen_in_database(database, searched)
    assert {table: names for table, names in tables.items() if names - {"control"}} == {}
    assert {"log", "artifact", "flow_run", "flow_run_state"} <= {table for table, names in tables.items() if names}
    pages = seen_in_files([*database.parent.glob(f"{database.name}*")], searched)
    assert {path: names for path, names in pages.items() if names - {"control"}} == {}
    assert pages


def _check_outcomes(plan: list[tuple[Step, object]], outcomes: list[Any], output: str) -> None:
    assert len(outcomes) == len(plan)
    for (step, expected), outcome in zip(plan, outcomes, strict=True):
        match expected:
            case str():
                assert re.search(expected, str(outcome), re.DOTALL), (step, outcome, output)
            case type():
                assert isinstance(outcome, expected), (step, outcome, output)
            case _:
                assert outcome == expected, (step, outcome, output)


def _check_planted(planted: Planted, outcomes: list[Any]) -> None:
    """Every secret field that a block has held a canary. A new one needs one: add it to `Planted.describe`."""
    held = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    known = {canary.sha256 for canary in planted.canaries}
    found = {field for each in held for field, digests in each.items() if known.issuperset(digests)}
    assert found == {field for name in blocks.__all__ for field in secret_fields(getattr(blocks, name))}
