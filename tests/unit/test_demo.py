"""The demo's pure parts, and that it finds and ends its own processes and no others."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from deployments.demo.business import Contents, differences, digest, letter, scan
from deployments.demo.closing import Night, Row, all_passed, closing_table, comparison, megabytes, ratio
from deployments.demo.compose_site import ComposeSite
from deployments.demo.docker_project import SERVICES, project_name
from deployments.demo.layout import Layout
from deployments.demo.native_site import NativeSite
from deployments.demo.ports import Ports, settle_ports
from deployments.demo.prefect_api import PrefectApi
from deployments.demo.processes import end_marked, finish, start, wait_until
from deployments.demo.script import Cost, folder_bytes
from deployments.demo.show import run_steps
from deployments.demo.stage import Stage
from deployments.demo.steps import PROOFS
from deployments.demo.variables import MARK, program_variables
from deployments.engines.cluster import PostgresCluster
from deployments.engines.docker import DockerEngine
from deployments.engines.folder import alone_or_refused
from deployments.environment_files import load
from odoo_ops.errors import CommandFailed, PreconditionFailed, Refused, TransientError, VerificationFailed
from odoo_ops.policy.provisioning import provision_mistakes

PORTS = Ports(prefect=20001, odoo=20002, redirect=20003)
PASSED = Row(step="restore", seconds=12.34, verdict="passed", proved="all is there")
FAILED = Row(step="compare", seconds=0.5, verdict="FAILED", proved="names differ")
NOT_RUN = Row(step="drill", seconds=None, verdict="not run", proved="")


class TestClosing:
    def test_table_aligns_its_columns(self) -> None:
        assert closing_table([PASSED, FAILED, NOT_RUN]).splitlines() == [
            "step     seconds  result   proved",
            "restore     12.3  passed   all is there",
            "compare      0.5  FAILED   names differ",
            "drill             not run",
        ]

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [([PASSED, PASSED], True), ([PASSED, FAILED], False), ([PASSED, NOT_RUN], False), ([], False)],
    )
    def test_all_passed_only_when_every_step_did(self, rows: list[Row], expected: bool) -> None:
        assert all_passed(rows) is expected

    def test_comparison_shows_the_ratio_also_when_it_is_against_us(self) -> None:
        night = Night(
            name="first night",
            backup=Cost(seconds=8, new_bytes=31_000_000),
            script=Cost(seconds=2, new_bytes=62_000_000),
            starting_seconds=3.21,
        )
        _header, seconds, new_bytes, starting, _rest = comparison([night]).splitlines()
        assert seconds.split() == ["first", "night:", "time", "8.0", "s", "2.0", "s", "4.00"]
        assert new_bytes.split() == ["first", "night:", "new", "bytes", "31.00", "MB", "62.00", "MB", "0.50"]
        assert "3.2 s passed until the flow ran" in starting

    def test_ratio_is_not_claimed_when_there_is_nothing_to_divide_by(self) -> None:
        assert (ratio(1, 0), ratio(1, 4), megabytes(1_234_567)) == ("-", "0.25", "1.23 MB")


class TestBusiness:
    def test_files_are_the_same_in_every_run_and_differ_from_each_other(self) -> None:
        assert (scan(1), letter(1)) == (scan(1), letter(1))
        assert len({scan(1), scan(2), letter(1), letter(2)}) == 4

    def test_digest_tells_where_a_text_ends(self) -> None:
        assert digest([("a", "b")]) == digest(iter([["a", "b"]]))
        assert len({digest([("a", "bc")]), digest([("ab", "c")]), digest([("abc",)]), digest([("a",), ("bc",)])}) == 4

    def test_differences_name_what_is_not_as_before(self) -> None:
        before = Contents(partners=2, names="n", files=1, content="c")
        assert differences(before, before) == []
        assert differences(before, before.model_copy(update={"partners": 1, "content": "d"})) == [
            "partners: 2 before, 1 now",
            "content: c before, d now",
        ]

    def test_folder_bytes_counts_files_at_any_depth_and_nothing_when_there_is_no_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "a/b/c").write_bytes(b"123")
        (tmp_path / "d").write_bytes(b"12")
        assert (folder_bytes(tmp_path), folder_bytes(tmp_path / "none")) == (5, 0)


class TestSteps:
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Stage:
        site = NativeSite(Layout(tmp_path), PORTS, PostgresCluster(tmp_path), Path("/odoo"), Path("/restic"))
        return Stage(site, {}, None)  # type: ignore[arg-type]

    def test_the_first_failure_ends_the_run_and_the_rest_is_not_run(self, stage: Stage) -> None:
        def fail(_stage: Stage) -> str:
            raise VerificationFailed("names differ\nmore")

        rows = run_steps(
            stage, [("one", lambda _: "done"), ("two", fail), ("three", lambda _: "never"), ("four", fail)]
        )
        assert [(row.step, row.verdict, row.proved) for row in rows] == [
            ("one", "passed", "done"),
            ("two", "FAILED", "names differ"),
            ("three", "not run", ""),
            ("four", "not run", ""),
        ]

    def test_an_error_in_the_last_step_is_a_failure_too(self, stage: Stage) -> None:
        def fail(_stage: Stage) -> str:
            raise VerificationFailed("no")

        assert not all_passed(run_steps(stage, [("one", lambda _: "done"), ("two", fail)]))

    def test_the_story_ends_with_the_proofs(self) -> None:
        names = [name for name, _act in PROOFS]
        proofs = ["lose database and filestore", "restore", "log in, compare", "look at every layer", "drill"]
        assert names[-5:] == proofs


class TestFiles:
    def test_environment_file_has_no_mistakes_and_no_secrets(self, tmp_path: Path) -> None:
        cluster = PostgresCluster(tmp_path / "postgres")
        cluster.directory.mkdir()
        (cluster.directory / "port").write_text("20003")
        (cluster.directory / "superuser-password").write_text("superuser-canary")
        site = NativeSite(Layout(tmp_path), PORTS, cluster, Path("/opt/odoo"), Path("/opt/restic"))
        site.write()
        found = load(site.layout.environments, look=True).environments
        production, drill = found["production"].settings, found["drill"].settings
        assert (production.stage, drill.stage, drill.service.kind) == ("production", "testing", "none")
        assert production.database.user != drill.database.user
        assert production.data_dir != drill.data_dir
        text = (site.layout.environments / "demo.yaml").read_text()
        assert not any(secret in text for secret in (site.password("restic"), "superuser-canary"))
        assert yaml.safe_load(text)["environments"]["production"]["service"]["start"] == site.odoo_command

    def test_environment_file_of_a_compose_project_has_no_mistakes_and_no_secrets(self, tmp_path: Path) -> None:
        images = dict.fromkeys(SERVICES, f"sha256:{'0' * 64}")
        engine = DockerEngine("unix:///run/docker.sock", {})
        site = ComposeSite(Layout(tmp_path), PORTS, engine, project_name(tmp_path), images)
        site.write()
        found = load(site.layout.environments, look=True).environments
        production, drill = found["production"].settings, found["drill"].settings
        assert (production.stage, drill.stage, drill.provision) == ("production", "testing", None)
        assert list(provision_mistakes(production)) == []
        assert production.database.user != drill.database.user
        text = (site.layout.environments / "demo.yaml").read_text()
        assert not any(site.password(name) in text for name in ("restic", "postgres", site.role))

    def test_project_of_each_checkout_has_a_name_of_its_own(self, tmp_path: Path) -> None:
        assert project_name(tmp_path) == project_name(tmp_path / "x" / "..")
        assert project_name(tmp_path) != project_name(tmp_path / "x")

    def test_odoo_conf_is_private_and_pins_its_database(self, tmp_path: Path) -> None:
        cluster = PostgresCluster(tmp_path / "postgres")
        cluster.directory.mkdir()
        (cluster.directory / "port").write_text("20003")
        site = NativeSite(Layout(tmp_path), PORTS, cluster, Path("/opt/odoo"), Path("/opt/restic"))
        site.write()
        conf = site.layout.place("production") / "odoo.conf"
        assert conf.stat().st_mode & 0o777 == 0o600
        lines = conf.read_text().splitlines()
        for line in ("db_name = odoo_production", "dbfilter = ^odoo_production$", "http_interface = 127.0.0.1"):
            assert line in lines

    def test_variables_keep_nothing_of_the_users_own_setup(self, tmp_path: Path) -> None:
        own = {
            "PATH": "/bin",
            "HOME": "/home/a",
            "PREFECT_API_KEY": "k",
            "PGHOST": "h",
            "ODOO_DB_NAME": "d",
            "LANG": "C",
        }
        variables = program_variables(Layout(tmp_path), PORTS, own)
        assert not {"PREFECT_API_KEY", "PGHOST", "ODOO_DB_NAME", "PYTHONDONTWRITEBYTECODE"} & variables.keys()
        assert (variables["PATH"], variables["LANG"], variables[MARK]) == ("/bin", "C", str(tmp_path))
        assert Path(variables["HOME"]).is_relative_to(tmp_path)
        assert Path(variables["PREFECT_HOME"]).is_relative_to(tmp_path)

    def test_ports_stay_the_same_when_they_are_free(self, tmp_path: Path) -> None:
        first = settle_ports(tmp_path / "ports.json")
        assert len({first.prefect, first.odoo, first.redirect}) == 3
        assert settle_ports(tmp_path / "ports.json") == first

    def test_lock_is_refused_when_another_demo_holds_it(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        with (
            alone_or_refused(lock, "it runs already", patience_seconds=0),
            pytest.raises(Refused, match="it runs already"),
            alone_or_refused(lock, "it runs already", patience_seconds=0),
        ):
            pass


class TestPrefectApi:
    @pytest.fixture
    def answers(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[httpx.Response]]:
        """What the server will answer, in this order."""
        queue: list[httpx.Response] = []
        transport = httpx.MockTransport(lambda _request: queue.pop(0))
        client = httpx.Client(transport=transport, base_url="http://prefect/api")
        monkeypatch.setattr("deployments.demo.prefect_api.httpx.Client", lambda **_options: client)
        monkeypatch.setattr("deployments.demo.prefect_api._POLL_SECONDS", 0)
        yield queue
        assert queue == []

    def test_a_run_that_is_completed_is_timed(self, answers: list[httpx.Response]) -> None:
        answers += [found(id="1"), httpx.Response(503), run("SCHEDULED"), run("RUNNING"), run("COMPLETED")]
        done = PrefectApi("http://prefect").run_deployment("backup/backup", {}, lambda: None)
        assert (done.name, done.running_seconds) == ("run", 1.5)

    def test_a_server_that_is_slow_to_answer_is_asked_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if len(asked) == 1:
                raise httpx.ReadTimeout("timed out")
            return found(id="1") if len(asked) == 2 else run("COMPLETED")

        client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://prefect/api")
        monkeypatch.setattr("deployments.demo.prefect_api.httpx.Client", lambda **_options: client)
        monkeypatch.setattr("deployments.demo.prefect_api._POLL_SECONDS", 0)
        assert PrefectApi("http://prefect").run_deployment("backup/backup", {}, lambda: None).name == "run"

    def test_a_run_that_fails_is_told_with_its_message(self, answers: list[httpx.Response]) -> None:
        answers += [found(id="1"), run("SCHEDULED"), run("FAILED")]
        with pytest.raises(VerificationFailed, match="backup/backup is Failed: the disk is full"):
            PrefectApi("http://prefect").run_deployment("backup/backup", {}, lambda: None)

    def test_a_deployment_that_is_not_there_is_told(self, answers: list[httpx.Response]) -> None:
        answers.append(httpx.Response(404, json={"detail": "Deployment not found"}))
        with pytest.raises(PreconditionFailed, match="404.*Deployment not found"):
            PrefectApi("http://prefect").run_deployment("backup/backup", {}, lambda: None)

    def test_waiting_ends_when_the_worker_has_ended(self, answers: list[httpx.Response], tmp_path: Path) -> None:
        answers += [found(id="1"), run("SCHEDULED")]
        worker = start("prefect-worker", ["sh", "-c", "exit 1"], dict(os.environ), tmp_path / "log")
        worker.process.wait(10)
        with pytest.raises(CommandFailed, match="prefect-worker"):
            PrefectApi("http://prefect").run_deployment("backup/backup", {}, worker.check)


class TestProcesses:
    def test_marked_processes_are_ended_with_their_children_and_no_others(self, tmp_path: Path) -> None:
        mark = str(tmp_path)
        script = "import subprocess, sys; subprocess.Popen(['sleep', '60'], start_new_session=True).wait()"
        with subprocess.Popen(["/bin/sleep", "60"], env={**os.environ, MARK: f"{mark}/other"}) as stranger:
            program = start("parent", [sys.executable, "-c", script], {**os.environ, MARK: mark}, tmp_path / "log")
            _wait_for_children(program.process.pid)
            assert end_marked(mark) == 2
            assert program.process.wait(5) < 0
            assert stranger.poll() is None
            stranger.kill()
        assert end_marked(mark) == 0

    def test_a_process_that_ignores_sigterm_is_killed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.demo.processes._GRACE_SECONDS", 0.5)
        words = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
        program = start("stubborn", words, {**os.environ, MARK: str(tmp_path)}, tmp_path / "log")
        wait_until((tmp_path / "log").read_text, "ready", within_seconds=5, log=tmp_path / "log", check=[program])
        end_marked(str(tmp_path))
        assert program.process.wait(5) == -9

    def test_a_command_that_fails_is_told_with_its_log(self, tmp_path: Path) -> None:
        program = start("deploy", ["sh", "-c", "echo why; exit 3"], dict(os.environ), tmp_path / "deploy.log")
        with pytest.raises(CommandFailed, match=r"(?s)`deploy` ended with status 3.*why.*deploy\.log"):
            finish(program, within_seconds=10)

    def test_waiting_ends_when_a_server_has_ended_or_time_is_up(self, tmp_path: Path) -> None:
        log = tmp_path / "server.log"
        program = start("server", ["sh", "-c", "echo no port; exit 1"], dict(os.environ), log)
        with pytest.raises(CommandFailed, match="no port"):
            wait_until(lambda: False, "the server", within_seconds=10, log=log, check=[program])
        with pytest.raises(TransientError, match=r"(?s)the server was not seen.*no port"):
            wait_until(lambda: False, "the server", within_seconds=0.1, log=log, check=[])


def _wait_for_children(pid: int) -> None:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    give_up = time.monotonic() + 10
    while not children.read_text():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def found(**fields: object) -> httpx.Response:
    return httpx.Response(200, json=fields)


def run(state: str) -> httpx.Response:
    message = {"message": "the disk is full"}
    return found(id="2", name="run", state_type=state, state_name=state.capitalize(), state=message, total_run_time=1.5)
