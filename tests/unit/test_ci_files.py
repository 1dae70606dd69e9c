"""The CI of an addons repository: golden files, what the forges' own checkers say, and how it is written."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from groovy_parser.parser import parse_groovy_content
from lark.exceptions import LarkError
from pydantic import ValidationError
from rendered_ci import GOLDEN, GOLDENS, golden_ci, scripts
from typer.testing import CliRunner

from deployments.ci_files import rendered_ci
from deployments.cli import app
from odoo_ops.model.pipelines import Forge, Pipeline

PROGRAMS = Path(sys.executable).parent
_SCHEMAS = {Forge.GITHUB: "vendor.github-workflows", Forge.GITLAB: "vendor.gitlab-ci"}


def _run(*argv: object, text: str = "") -> tuple[int, str]:
    done = subprocess.run([*map(str, argv)], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _fits_schema(forge: Forge, text: str) -> tuple[int, str]:
    words = ("--builtin-schema", _SCHEMAS[forge], "--default-filetype", "yaml", "-")
    return _run(PROGRAMS / "check-jsonschema", *words, text=text)


def _fits_actionlint(text: str) -> tuple[int, str]:
    return _run(PROGRAMS / "actionlint", "-shellcheck", PROGRAMS / "shellcheck", "-", text=text)


def _command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["render-ci", *map(str, words)])
    return result.exit_code, result.output


@pytest.mark.parametrize("name", GOLDENS)
def test_files_are_the_golden_ones(name: str) -> None:
    """`python tests/support/rendered_ci.py` writes the golden files anew."""
    assert golden_ci(name) == (GOLDEN / name).read_text()


@pytest.mark.parametrize("forge", list(Forge))
@pytest.mark.parametrize(
    ("image", "server"),
    [
        ("acme/erp", ""),
        ("docker.io/acme/erp", ""),
        ("ghcr.io/acme/erp", " ghcr.io"),
        ("localhost/erp", " localhost"),
        ("erp.lan:5000/erp", " erp.lan:5000"),
    ],
)
def test_login_is_to_the_registry_that_the_image_names(forge: Forge, image: str, server: str) -> None:
    script = scripts(forge, rendered_ci(forge, image=image))["build"]
    assert f"--password-stdin{server}\n" in script
    assert f"trap 'docker logout{server}' EXIT\n" in script


@pytest.mark.parametrize("name", [name for name, (forge, _) in GOLDENS.items() if forge in _SCHEMAS])
def test_schema_of_the_forge_takes_it_and_not_a_misspelt_key(name: str) -> None:
    forge, _ = GOLDENS[name]
    assert _fits_schema(forge, golden_ci(name)) == (0, "ok -- validation done\n")
    status, output = _fits_schema(forge, golden_ci(name).replace("services:", "servicos:"))
    assert status == 1
    assert "servicos" in output


@pytest.mark.parametrize("name", ["github", "github-full"])
def test_actionlint_finds_nothing_and_finds_a_job_that_is_missing(name: str) -> None:
    assert _fits_actionlint(golden_ci(name)) == (0, "")
    status, output = _fits_actionlint(golden_ci(name).replace("needs: [lint, ", "needs: [lynt, "))
    assert status == 1
    assert "lynt" in output


def test_jenkinsfile_is_groovy() -> None:
    parse_groovy_content(golden_ci("jenkins-full"))


def test_groovy_parse_refuses_a_brace_that_is_missing() -> None:
    with pytest.raises(LarkError):
        parse_groovy_content(golden_ci("jenkins").rstrip().removesuffix("}"))


@pytest.mark.parametrize("name", GOLDENS)
def test_scripts_are_sound_shell(name: str) -> None:
    for job, script in scripts(GOLDENS[name][0], golden_ci(name)).items():
        assert _run(PROGRAMS / "shellcheck", "--shell=sh", "-", text=script) == (0, ""), job
        for shell in ("bash", "sh"):
            assert _run(shell, "-n", text=script) == (0, ""), job


@pytest.mark.parametrize("suffix", ["", "-full"])
def test_all_forges_run_the_same_scripts(suffix: str) -> None:
    github, gitlab, jenkins = (scripts(forge, golden_ci(f"{forge}{suffix}")) for forge in Forge)
    assert github == gitlab
    assert list(github) == (["lint", "test", "build", "call"] if suffix else ["lint", "test", "call"])
    assert list(jenkins) == list(github)
    for job, script in jenkins.items():
        assert script.endswith(f"\n{github[job]}"), job  # Groovy reads it as it stands
        assert "\\" not in script


@pytest.mark.parametrize("forge", Forge)
def test_nothing_is_called_when_it_is_not_wanted(forge: Forge) -> None:
    text = rendered_ci(forge, call=False)
    assert list(scripts(forge, text)) == ["lint", "test"]
    assert "WEBHOOK" not in text.upper()


def test_github_hands_secrets_to_the_steps_that_need_them_alone() -> None:
    jobs = yaml.safe_load(golden_ci("github-full"))["jobs"]
    assert {name for name, job in jobs.items() if "secrets." in str(job)} == {"build", "call"}
    assert {job["if"] for name, job in jobs.items() if name in {"build", "call"}} == {"github.event_name == 'push'"}


def test_no_older_image_is_told_after_a_newer_one_of_its_branch() -> None:
    github = yaml.safe_load(golden_ci("github-full"))["concurrency"]
    assert github["group"] == "odoo-${{ github.ref }}"
    assert github["cancel-in-progress"] == "${{ github.event_name == 'pull_request' }}", "a push is never cancelled"
    call = yaml.safe_load(golden_ci("gitlab-full"))["call"]
    assert call["resource_group"] == call["environment"] == "odoo-ops/$CI_COMMIT_REF_SLUG"
    assert "disableConcurrentBuilds()" in golden_ci("jenkins-full")


@pytest.mark.parametrize(
    "wrong",
    [
        {"branches": ("main' || true",)},
        {"branches": ()},
        {"odoo_image": "odoo:19.0; true"},
        {"addons": ("$(true)",)},
        {"series": "17.0"},
        {"image": "ghcr.io/acme/erp:latest"},
        {"pylint_odoo": "10 --help"},
        {"pip_audit": "2 --help"},
        {"checks": ("tools/check; true",)},
        {"checks": ("tools/check ${{ secrets.TOKEN }}",)},
        {"checks": ("",)},
    ],
)
def test_value_that_would_be_read_as_more_than_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Pipeline.model_validate(wrong)


@pytest.mark.parametrize("forge", Forge)
def test_command_only_prints_by_default(forge: Forge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _command(forge) == (0, golden_ci(forge))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("forge", "place"),
    [("github", ".github/workflows/odoo.yml"), ("gitlab", ".gitlab-ci.yml"), ("jenkins", "Jenkinsfile")],
)
def test_command_writes_where_the_forge_looks_and_replaces_only_by_force(
    forge: str, place: str, tmp_path: Path
) -> None:
    file = tmp_path / place
    status, output = _command(forge, "--output", tmp_path)
    assert (status, file.read_text()) == (0, golden_ci(forge))
    assert f"{file}: written" in output
    assert _command(forge, "--output", file) == (0, f"{file}: is so already.\n")
    file.write_text("mine")
    status, output = _command(forge, "--output", tmp_path)
    assert (status, file.read_text()) == (2, "mine")
    assert "was not replaced" in output
    assert _command(forge, "--output", tmp_path, "--force")[0] == 0
    assert file.read_text() == golden_ci(forge)


def test_command_names_the_value_that_is_wrong(tmp_path: Path) -> None:
    status, output = _command("github", "--series", "nineteen", "--output", tmp_path)
    assert status == 2
    assert output.startswith("series: ")
    assert list(tmp_path.iterdir()) == []


def test_command_takes_all_that_the_full_one_has() -> None:
    words = "--series 18.0 --branch 18.0 --branch release/next --tags --submodules --addons oca/web"
    image = GOLDENS["github-full"][1]["odoo_image"]
    checks = [word for check in GOLDENS["github-full"][1]["checks"] for word in ("--check", check)]
    also = ("--addons", "/mnt/enterprise", "--odoo-image", image, "--image", "ghcr.io/acme/erp", *checks)
    assert _command("github", *words.split(), *also) == (
        0,
        golden_ci("github-full"),
    )
