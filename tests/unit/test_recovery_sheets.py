import html
import math
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from odoo_ops.policy.recovery_keys import (
    ALPHABET,
    KEPT,
    check_characters,
    judge_kept,
    kept_mark,
    new_password,
    same_characters,
)

ROOT = Path(__file__).parents[2]
_PASSWORD = re.compile(rf"(?:[{ALPHABET}]{{4}}-){{8}}[{ALPHABET}]{{4}}")


def _run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["keys", *map(str, arguments)])
    return result.exit_code, result.output


def test_generated_password_is_strong_and_chosen_character_by_character() -> None:
    drawn = iter(range(1000))
    password = new_password(lambda alphabet: alphabet[next(drawn) % len(alphabet)])
    assert _PASSWORD.fullmatch(password)
    characters = len(password.replace("-", ""))
    assert next(drawn) == characters
    assert characters * math.log2(len(ALPHABET)) > 160
    assert not set(ALPHABET) & set("01OIL")


def test_generate_shows_the_password_once_and_writes_it_and_its_sheet_for_the_owner_alone(tmp_path: Path) -> None:
    secret, sheet = tmp_path / "erp", tmp_path / "erp.sheet.html"
    status, output = _run("generate", "erp", "--to", secret, "--address", "sftp:a<b>@c:/srv")
    assert status == 0, output
    password = secret.read_text().strip()
    assert _PASSWORD.findall(output) == [password]
    assert f"{{from_file: {secret}}}" in output
    assert "`odoo-ops keys confirm erp`" in output
    text = sheet.read_text()
    for needed in (password, check_characters("erp", password), "sftp:a&lt;b&gt;@c:/srv", "docs/by-hand.md"):
        assert needed in text
    assert [stat.S_IMODE(file.stat().st_mode) for file in (secret, sheet)] == [0o600, 0o600]
    _run("generate", "other", "--to", tmp_path / "other")
    assert (tmp_path / "other").read_text() != secret.read_text()


@pytest.mark.parametrize("taken", ["erp", "erp.sheet.html"])
def test_generate_writes_nothing_when_a_file_is_there_already(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("precious")
    status, output = _run("generate", "erp", "--to", tmp_path / "erp")
    assert status == 2
    assert f"{taken} is there already and is not overwritten" in output
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {taken: "precious"}


def test_generate_leaves_nothing_when_the_password_cannot_be_written(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    status, output = _run("generate", "erp", "--to", tmp_path / "missing" / "erp", "--sheet", sheet)
    assert status == 2
    assert "cannot be written: No such file or directory" in output
    assert list(tmp_path.iterdir()) == []
    assert _run("generate", "Not A Name", "--to", tmp_path / "erp")[0] == 2
    assert list(tmp_path.iterdir()) == []


def test_sheet_prints_a_password_that_was_chosen_by_hand(tmp_path: Path) -> None:
    secret, sheet = tmp_path / "erp", tmp_path / "sheet.html"
    secret.write_text("chosen <by> hand\n")
    status, output = _run("sheet", "erp", "--secret", secret, "--to", sheet)
    assert status == 0, output
    assert "chosen" not in output
    assert "chosen <by> hand" in html.unescape(sheet.read_text())
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    status, output = _run("sheet", "erp", "--secret", tmp_path / "nothing", "--to", tmp_path / "another.html")
    assert status == 2
    assert "There is no password to print" in output


def test_sheet_names_address_and_environments_when_files_describe_them(tmp_path: Path) -> None:
    example = ROOT / "deployments/examples/repositories"
    secret, sheet = tmp_path / "erp", tmp_path / "sheet.html"
    secret.write_text("chosen by hand\n")
    arguments = ("--secret", secret, "--environments", example)
    assert _run("sheet", "bucket", *arguments, "--to", sheet)[0] == 0
    text = html.unescape(sheet.read_text())
    assert 'RESTIC_REPOSITORY="s3:https://s3.example.com/odoo-backups/erp"' in text
    assert "<code>production</code>" in text
    assert "restic snapshots --tag odoo-ops --host production\nrestic restore" in text
    assert _run("sheet", "bucket", *arguments, "--address", "s3:elsewhere", "--to", tmp_path / "other")[0] == 0
    assert 'RESTIC_REPOSITORY="s3:elsewhere"' in html.unescape((tmp_path / "other").read_text())
    status, output = _run("sheet", "none", *arguments, "--to", tmp_path / "none")
    assert status == 2
    assert "describes a repository none. Nothing was written. Next step: " in output
    assert not (tmp_path / "none").exists()


def test_check_characters_tell_passwords_and_repositories_apart() -> None:
    printed = check_characters("erp", "one password")
    assert re.fullmatch(rf"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", printed)
    assert same_characters(f" {printed.lower().replace('-', ' ')} ", printed)
    assert len({printed, check_characters("erp", "another"), check_characters("crm", "one password")}) == 3
    assert kept_mark("erp", "one password") != kept_mark("erp", "another")
    assert printed not in kept_mark("erp", "one password")


def test_a_key_that_nobody_confirmed_is_not_measured_and_names_the_command() -> None:
    kept, open_, unknown = judge_kept([(KEPT, "erp", True), (KEPT, "vault", False), (KEPT, "attic", None)])
    assert [check.outcome for check in (kept, open_, unknown)] == ["passed", "not measured", "not measured"]
    assert "does not answer" in unknown.detail
    assert "`odoo-ops keys confirm vault`" in open_.detail
