"""What decides about engines; stand-ins for apt-get, dpkg, restic and Odoo answer as the real ones do."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.engines import odoo, ports, python_environment
from deployments.engines.__main__ import app
from deployments.engines.debian import debian_mirror, unpack_packages
from deployments.engines.folder import engines_folder, make_once
from deployments.engines.odoo import find_odoo, install_odoo
from deployments.engines.postgres_programs import find_programs
from deployments.engines.process import run
from deployments.engines.restic import find_restic, install_restic, restic_version
from deployments.engines.server_account import account_of, setpriv
from odoo_ops.errors import CommandFailed, PreconditionFailed, VerificationFailed

ENGINES = Path(odoo.__file__).parent
Program = Callable[[str, str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes a stand-in that is found on PATH before the real program."""
    folder = tmp_path / "stand-ins"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ODOO_BIN", raising=False)
    monkeypatch.delenv("ODOO_OPS_ENGINES", raising=False)


def test_engines_are_in_the_checkout_unless_the_environment_names_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert engines_folder() == ENGINES.parents[1] / ".demo" / "engines"
    monkeypatch.setenv("ODOO_OPS_ENGINES", str(tmp_path))
    assert engines_folder() == tmp_path


@pytest.mark.parametrize("required", [False, True])
def test_make_goes_on_where_packages_cannot_be_had_unless_all_engines_are_wanted(
    tmp_path: Path, *, required: bool
) -> None:
    """On a system with neither apt nor dpkg: of its programs only these are found."""
    for name in ("grep", "id", "sudo"):
        (tmp_path / name).symlink_to(shutil.which(name) or "/bin/false")
    listed = tmp_path / "packages.txt"
    listed.write_text("# a comment\nthing\n\nanother-thing\n")
    words = [str(shutil.which("make")), "packages-for-tests", f"PACKAGES={listed}", "DOCKER_PACKAGES="]
    variables = {"PATH": str(tmp_path)} | ({"ODOO_OPS_REQUIRE_ENGINES": "1"} if required else {})
    done = subprocess.run(words, cwd=ENGINES.parents[1], env=variables, capture_output=True, text=True, check=False)
    assert "Installing Debian packages: thing another-thing\n" in done.stdout
    assert "Not all of them could be installed." in done.stdout
    assert "skipped with the reason" in done.stdout
    assert (done.returncode != 0) == required, done.stderr


def _fail(folder: Path) -> None:
    (folder / "half").touch()
    raise VerificationFailed("it does not run")


class TestMakeOnce:
    def test_builds_once_for_one_recipe_and_again_for_another(self, tmp_path: Path) -> None:
        target, built = tmp_path / "engine", list[Path]()
        for recipe in ("a", "a", "b"):
            make_once(target, recipe, built.append)
        assert built == [tmp_path / "engine.partial"] * 2
        assert target.is_dir()

    def test_publishes_nothing_when_the_build_fails(self, tmp_path: Path) -> None:
        with pytest.raises(VerificationFailed):
            make_once(tmp_path / "engine", "a", _fail)
        assert not (tmp_path / "engine").exists()

    def test_starts_from_an_empty_folder_when_a_build_was_killed(self, tmp_path: Path) -> None:
        (tmp_path / "engine.partial").mkdir()
        (tmp_path / "engine.partial" / "half").touch()
        make_once(tmp_path / "engine", "a", lambda folder: (folder / "whole").touch())
        assert {path.name for path in (tmp_path / "engine").iterdir()} == {"whole", "recipe"}

    def test_keeps_the_old_engine_when_the_new_recipe_fails(self, tmp_path: Path) -> None:
        make_once(tmp_path / "engine", "a", lambda folder: (folder / "old").touch())
        with pytest.raises(VerificationFailed):
            make_once(tmp_path / "engine", "b", _fail)
        assert (tmp_path / "engine" / "old").exists()


class TestRun:
    def test_raises_with_output_and_next_step_when_the_status_is_not_zero(self) -> None:
        with pytest.raises(CommandFailed, match=r"(?s)status 3.*broken.*Next step: repair it") as caught:
            run(["sh", "-c", "echo broken >&2; exit 3"], hint="repair it")
        assert caught.value.exit_status == 3

    def test_says_what_is_missing_when_there_is_no_such_program(self) -> None:
        with pytest.raises(PreconditionFailed, match="No such file or directory: no-such-program"):
            run(["no-such-program"])


class TestDebian:
    DEBIAN = "Debian\\tDebian\\tmain\\tmirror-address/debian/"
    SECURITY = "Debian\\tDebian-Security\\tmain\\tmirror-address/security/"
    UBUNTU = "Ubuntu\\tUbuntu\\tmain\\tmirror-address/ubuntu/"

    @pytest.mark.parametrize(
        ("indexes", "mirror"),
        [
            ([DEBIAN], "mirror-address/debian/"),
            ([SECURITY, DEBIAN], "mirror-address/debian/"),
            ([UBUNTU], None),
        ],
    )
    def test_mirror_is_the_one_of_the_main_archive(
        self, program: Program, indexes: list[str], mirror: str | None
    ) -> None:
        program("apt-get", "\n".join(f"printf '{line}\\n'" for line in indexes))
        assert debian_mirror() == mirror

    def test_system_without_apt_has_no_mirror(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert debian_mirror() is None
        with pytest.raises(PreconditionFailed, match="no Debian mirror; name an Odoo 19"):
            unpack_packages(["odoo-19"], suite="sid", into=tmp_path, otherwise="name an Odoo 19")

    def test_mirror_asks_for_an_update_when_apt_has_no_index(self, program: Program) -> None:
        program("apt-get", "exit 0")
        with pytest.raises(PreconditionFailed, match="apt-get update"):
            debian_mirror()

    def test_unpack_says_what_else_helps_when_the_system_does_not_have_the_package(
        self, program: Program, tmp_path: Path
    ) -> None:
        program("apt-get", f"[ $1 = indextargets ] && printf '{self.UBUNTU}\\n' || exit 100")
        with pytest.raises(CommandFailed, match="no Debian mirror; name an Odoo 19"):
            unpack_packages(["odoo-19"], suite="sid", into=tmp_path, otherwise="name an Odoo 19")

    def test_unpack_leaves_only_the_packages_content_behind(self, program: Program, tmp_path: Path) -> None:
        program("apt-get", f"[ $1 = indextargets ] && printf '{self.UBUNTU}\\n' || echo content >thing_1_all.deb")
        program("dpkg", 'cp "$2" "$3/unpacked"')
        into = tmp_path / "root"
        into.mkdir()
        unpack_packages(["thing"], suite="sid", into=into, otherwise="")
        assert [path.name for path in into.iterdir()] == ["unpacked"]


class TestRestic:
    def test_version_is_what_the_program_says(self, program: Program) -> None:
        path = program("restic", "echo 'restic 0.18.0 compiled with go1.24.4 on linux/amd64'")
        assert restic_version(path) == (0, 18, 0)

    def test_find_takes_the_machines_own_when_it_is_new_enough(self, program: Program, tmp_path: Path) -> None:
        own = program("restic", "echo 'restic 0.17.0 compiled'")
        assert find_restic(tmp_path) == own

    def test_find_passes_over_the_machines_own_when_it_is_too_old(self, program: Program, tmp_path: Path) -> None:
        program("restic", "echo 'restic 0.14.0 compiled'")
        assert find_restic(tmp_path) is None

    def test_install_unpacks_one_and_publishes_none_that_is_too_old(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unpack(version: str) -> None:
            program("apt-get", f"[ $1 = indextargets ] && printf '{TestDebian.UBUNTU}\\n' || echo >restic_1_all.deb")
            made = f"printf '#!/bin/sh\\necho restic {version} compiled\\n'"
            program("dpkg", f'mkdir -p "$3/usr/bin"; {made} >"$3/usr/bin/restic"; chmod +x "$3/usr/bin/restic"')

        monkeypatch.setattr("shutil.which", lambda _name: None)
        unpack("0.14.0")
        with pytest.raises(VerificationFailed, match="not one that will do. Next step: install restic 0.17 or later"):
            install_restic(tmp_path / "engines")
        assert find_restic(tmp_path / "engines") is None
        unpack("0.18.0")
        assert install_restic(tmp_path / "engines") == tmp_path / "engines" / "restic" / "bin" / "restic"

    def test_version_is_refused_when_the_program_is_not_restic(self, program: Program) -> None:
        with pytest.raises(VerificationFailed, match="reinstall"):
            restic_version(program("restic", "echo hello"))


class TestOdoo:
    def test_given_program_is_used_as_it_is(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = program("my-odoo", "echo 'Odoo Server 19.0-20260101'")
        monkeypatch.setenv("ODOO_BIN", str(given))
        assert install_odoo(tmp_path / "engines") == given
        assert not (tmp_path / "engines").exists()

    def test_given_program_is_refused_when_it_is_another_version(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ODOO_BIN", str(program("my-odoo", "echo 'Odoo Server 18.0'")))
        with pytest.raises(PreconditionFailed, match=r"Odoo Server 18\.0.*unset ODOO_BIN"):
            find_odoo(tmp_path)

    def test_launcher_keeps_arguments_when_its_path_has_a_space(self, tmp_path: Path) -> None:
        engine = tmp_path / "an engine"
        python, launcher = engine / "venv/bin/python", engine / "bin/odoo"
        for path, text in (
            (launcher, (ENGINES / "odoo-launcher.sh").read_text()),
            (python, '#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$TZ" "$@"\n'),
        ):
            path.parent.mkdir(parents=True)
            path.write_text(text)
            path.chmod(0o755)
        link = tmp_path / "link"
        link.symlink_to(launcher)
        for called in (launcher, link):
            said = subprocess.check_output([called, "-d", "a b"], cwd="/", text=True).splitlines()
            usr = f"{engine}/debian/usr"
            assert said == [f"{usr}/lib/python3/dist-packages", "UTC", f"{usr}/bin/odoo", "-d", "a b"]

    def test_lock_has_hashes_for_all_and_names_no_index(self) -> None:
        lock = (ENGINES / "requirements-odoo19.txt").read_text()
        entries = re.findall(r"^\S+==.*?(?=^\S|\Z)", lock, flags=re.MULTILINE | re.DOTALL)
        assert len(entries) > 50
        assert all("--hash=sha256:" in entry for entry in entries)
        assert "://" not in lock
        assert "index-url" not in lock.split("\n", 2)[2]


class TestPythonEnvironment:
    def test_installs_from_the_lock_alone_with_the_uv_that_is_found(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uv = program("uv", f'echo "$@" >>"{tmp_path}/calls"')
        monkeypatch.setattr(python_environment, "find_uv", lambda: uv)
        python_environment.make_environment(tmp_path / "venv", tmp_path / "lock.txt")
        _, install = (tmp_path / "calls").read_text().splitlines()
        assert "--no-deps --require-hashes --only-binary=:all:" in install
        assert install.endswith(f"--requirement {tmp_path}/lock.txt")


class TestServerAccount:
    @pytest.mark.parametrize(
        ("capability", "powers"),
        [
            (None, []),
            ("dac_override", ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]),
        ],
    )
    def test_setpriv_gives_up_root_but_for_one_capability(self, capability: str | None, powers: list[str]) -> None:
        expected = ["setpriv", "--reuid=101", "--regid=104", "--clear-groups", *powers]
        assert setpriv(101, 104, capability) == expected

    def test_own_files_need_no_prefix(self, tmp_path: Path) -> None:
        assert account_of(tmp_path).prefix(tmp_path) == []


def test_programs_of_postgres_are_not_found_when_one_is_missing(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deployments.engines.postgres_programs._DEBIAN", tmp_path / "none")
    program("pg_ctl", "")
    program("initdb", "")
    assert find_programs() is None
    complete = program("postgres", "").parent
    assert find_programs() == complete


def test_newest_postgres_is_taken_unless_a_version_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("deployments.engines.postgres_programs._DEBIAN", tmp_path)
    for version in ("9.6", "15", "18"):
        (tmp_path / version / "bin").mkdir(parents=True)
        for name in ("initdb", "pg_ctl", "postgres"):
            (tmp_path / version / "bin" / name).touch()
    assert find_programs() == tmp_path / "18" / "bin"
    assert find_programs("15") == tmp_path / "15" / "bin"


class TestCommandLine:
    def test_show_prints_json(self, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("ODOO_OPS_ENGINES", str(tmp_path / "engines"))
        own = program("restic", "echo 'restic 0.18.1 compiled'")
        shown = json.loads(CliRunner().invoke(app, ["show"]).stdout)
        assert shown["odoo"] is None
        assert shown["restic"] == {"path": str(own), "version": "0.18.1"}

    def test_install_ends_with_status_1_and_the_reason_when_it_fails(
        self, program: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ODOO_BIN", str(program("my-odoo", "echo 'Odoo Server 18.0'")))
        result = CliRunner().invoke(app, ["install", "odoo"])
        assert result.exit_code == 1
        assert "Next step" in result.stderr


@pytest.mark.parametrize("name", ["debian-packages-demo.txt", "debian-packages-tests.txt"])
def test_each_debian_package_has_its_reason_on_the_line_above(name: str) -> None:
    lines = (ENGINES / name).read_text().splitlines()
    packages = [(above, line) for above, line in pairwise(lines) if line[:1] not in ("", "#")]
    assert packages
    assert all(above.startswith("# ") and re.fullmatch(r"[a-z0-9.+-]+", line) for above, line in packages)


def test_port_that_another_process_was_given_is_not_given_again() -> None:
    hold = (
        "import sys; from deployments.engines.ports import free_port; print(free_port(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        assert ports.is_free(port)
        assert not ports.reserve(port)
        other.communicate()
    assert ports.reserve(port)
