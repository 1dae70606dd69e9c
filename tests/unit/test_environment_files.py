from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from deployments.cli import app
from deployments.environment_files import load
from deployments.environment_files.wording import PATTERNS
from odoo_ops.errors import InvalidConfiguration
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import LocalConnection, OpenHost, SshConnection
from odoo_ops.model.repository import FolderLocation, Limits, Location, OpenRepository
from odoo_ops.model.webhooks import Source
from odoo_ops.policy.offsite import refuse_uncopyable

EXAMPLES = Path(__file__).parents[2] / "deployments" / "environments"
SECRET = "hunter2-hunter2"

VALID = """\
hosts:
  erp:
    connection: {kind: ssh, address: erp.example.com, user: ops, private_key: {from_file: KEY}, known_hosts: erp x y}
    become: odoo
repositories:
  main:
    location: {kind: folder, path: /srv/backups}
    password: {from_env: RESTIC_PASSWORD}
environments:
  production:
    stage: production
    host: erp
    repository: main
    odoo: {version: 19.0, command: [/usr/bin/odoo]}
    database:
      name: erp
      user: odoo
      port: 5432
    data_dir: /var/lib/odoo
    state_dir: /var/lib/odoo-ops/production
    service: {kind: systemd}
  drill:
    stage: testing
    host: erp
    repository: main
    odoo: {version: 19.0, command: [/usr/bin/odoo]}
    database:
      name: erp-drill
      user: odoo-drill
    data_dir: /var/lib/odoo-drill
    state_dir: /var/lib/odoo-ops/drill
"""

ASK_FOR_REFERENCE = "is a secret and must not stand in this file; write {from_env: NAME} or {from_file: /path}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "key").write_text("the key\n\n")
    monkeypatch.setenv("RESTIC_PASSWORD", SECRET)
    return tmp_path


def write(folder: Path, text: str = VALID, name: str = "a.yaml") -> None:
    (folder / name).write_text(text.replace("KEY", str(folder / "key")))


def mistakes(folder: Path, *, look: bool = True) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        load(folder, look=look)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    return [line.replace(f"{folder}/", "") for line in caught.value.mistakes]


def test_load_gives_the_model_when_files_are_valid(folder: Path) -> None:
    write(folder)
    found = load(folder)
    assert found.repositories == {
        "main": OpenRepository(name="main", location=FolderLocation(path="/srv/backups"), password=SecretStr(SECRET))
    }
    connection = found.hosts["erp"].connection
    assert isinstance(connection, SshConnection)
    assert connection.private_key.get_secret_value() == "the key\n", "one newline at the end is the editor's"
    production = found.environments["production"]
    assert (production.host, production.repository) == ("erp", "main")
    assert type(production.settings) is Environment
    assert production.settings.odoo.version == "19.0"


RELEASE = """\
    release:
      addons:
        - url: ssh://git@git.example.com/ours.git
          ref: main
          folder: /opt/addons/ours
          private_key: {from_file: KEY}
          known_hosts: git.example.com x y
        - {url: "https://git.example.com/m.git", ref: v1, folder: /opt/addons/more, token: {from_env: RESTIC_PASSWORD}}
"""


def test_load_reads_secrets_in_a_list(folder: Path) -> None:
    write(folder, VALID + RELEASE)
    release = load(folder).environments["drill"].release
    assert release is not None
    ours, more = release.addons
    assert ours.private_key == SecretStr("the key\n")
    assert more.token == SecretStr(SECRET)


def test_load_names_the_line_of_a_mistake_in_a_list(folder: Path) -> None:
    text = RELEASE.replace("token: {from_env: RESTIC_PASSWORD}", "token: hunter2").replace("ref: main", "ref: -main")
    write(folder, VALID + text)
    first = VALID.count("\n") + 1
    assert [line.split(": ", 1)[0] for line in mistakes(folder)] == [f"a.yaml:{first + 3}", f"a.yaml:{first + 7}"]


def test_load_refuses_a_link_of_addons_that_two_environments_would_lead(folder: Path) -> None:
    drill = VALID.index("  drill:")
    write(folder, VALID[:drill] + RELEASE + VALID[drill:] + RELEASE)
    found = [line for line in mistakes(folder) if "a release to one would change the other" in line]
    assert [line.split(": ")[1].split(".")[1] for line in found] == ["drill", "drill"]


def test_load_merges_files_when_a_folder_has_several(folder: Path) -> None:
    hosts, rest = VALID.split("repositories:")
    write(folder, hosts, "hosts.yaml")
    write(folder, f"repositories:{rest}", "rest.yml")
    write(folder, "# nothing yet\n", "later.yaml")
    write(folder, "not: [read", ".draft.yaml")
    assert set(load(folder).environments) == {"production", "drill"}


def test_load_gives_a_local_host_when_nothing_is_written_below_its_name(folder: Path) -> None:
    write(folder)
    write(folder, "hosts:\n  here:\n", "b.yaml")
    assert load(folder).hosts["here"] == OpenHost(name="here", connection=LocalConnection())


def test_load_reads_text_from_a_file_beside_it_when_a_field_is_no_secret(folder: Path) -> None:
    (folder / "known_hosts").write_text("erp.example.com ssh-ed25519 AAAA\n")
    write(folder, VALID.replace("erp x y", "{from_file: known_hosts}"))
    connection = load(folder).hosts["erp"].connection
    assert isinstance(connection, SshConnection)
    assert connection.known_hosts == "erp.example.com ssh-ed25519 AAAA"


def test_load_takes_words_as_text_when_yaml_would_make_them_something_else(folder: Path) -> None:
    write(folder, VALID.replace("name: erp\n", "name: no\n").replace("user: odoo-drill", "user: 2026-01-01"))
    environments = load(folder).environments
    assert environments["production"].database.name == "no"
    assert environments["drill"].database.user == "2026-01-01"


def test_load_looks_for_no_secret_when_told_not_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESTIC_PASSWORD")
    write(folder, VALID.replace("KEY", "/nowhere/key"))
    assert SECRET not in repr(load(folder, look=False))
    write(folder, VALID.replace("{from_env: RESTIC_PASSWORD}", SECRET))
    assert mistakes(folder, look=False) == [f"a.yaml:8: repositories.main.password: {ASK_FOR_REFERENCE}"]


def test_example_is_valid_when_its_secrets_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parents[1])
    result = CliRunner().invoke(app, ["environments", "check", "--no-secrets"])
    assert result.exit_code == 0
    assert result.output == (
        "deployments/environments: no mistakes. Hosts: 1, repositories: 1, environments: 3, webhook sources: 0.\n"
        "Not checked: whether the secrets that the files name are there.\n"
    )


def test_examples_of_repositories_are_valid_and_show_every_kind_and_every_limit() -> None:
    folder = EXAMPLES.parent / "examples" / "repositories"
    result = CliRunner().invoke(app, ["environments", "check", "--no-secrets", str(folder)])
    assert result.exit_code == 0, result.output
    assert "Hosts: 1, repositories: 4, environments: 1, webhook sources: 0." in result.output
    found = load(folder, look=False)
    described = found.repositories.values()
    assert {type(each.location) for each in described} == set(get_args(get_args(Location)[0]))
    assert {name for each in described for name in each.limits.model_fields_set} == set(Limits.model_fields)
    (production,) = found.environments.values()
    assert production.offsite is not None
    refuse_uncopyable(found.repositories[production.repository], found.repositories[production.offsite])


# What is replaced in VALID, by what, and the mistakes to find.
ONE_FILE = {
    "unknown key": (
        "    become: odoo",
        "    becom: odoo",
        ["a.yaml:4: hosts.erp.becom: is not a field; did you mean 'become'?"],
    ),
    "unknown key inside": (
        "      port: 5432",
        "      prt: 5432",
        ["a.yaml:18: environments.production.database.prt: is not a field; did you mean 'port'?"],
    ),
    "unknown key like no other": (
        "    become: odoo",
        "    zzz: odoo",
        ["a.yaml:4: hosts.erp.zzz: is not a field"],
    ),
    "unknown section": (
        "hosts:",
        "host:",
        [
            "a.yaml:1: host: is not one of hosts, repositories, environments, webhooks; did you mean 'hosts'?",
            "a.yaml:12: environments.production.host: 'erp' is not described under `hosts` in any file",
            "a.yaml:24: environments.drill.host: 'erp' is not described under `hosts` in any file",
        ],
    ),
    "name repeated as a field": (
        "    become: odoo",
        "    name: erp",
        ["a.yaml:4: hosts.erp.name: is already given by the key of this entry; delete the line"],
    ),
    "bad name": (
        "  drill:",
        "  The Drill:",
        ["a.yaml:22: environments.The Drill: as a name may hold only small letters, digits and dashes"],
    ),
    "missing field": (
        "    data_dir: /var/lib/odoo\n",
        "",
        [
            (
                "a.yaml:10: environments.production.data_dir: is missing. "
                "Odoo's data_dir; the filestore is `filestore/<database>` in it."
            )
        ],
    ),
    "missing map": (
        "    odoo: {version: 19.0, command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        "    database:\n      name: erp\n",
        ["a.yaml:10: environments.production.odoo: is missing. The Odoo program of an environment."],
    ),
    "missing link": (
        (
            "    host: erp\n    repository: main\n    odoo: {version: 19.0, command: [/usr/bin/odoo]}\n    database:\n"
            "      name: erp\n"
        ),
        "    host: erp\n    odoo: {version: 19.0, command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        ["a.yaml:10: environments.production.repository: is missing. Name of an entry under `repositories`."],
    ),
    "unknown link": (
        "stage: testing\n    host: erp",
        "stage: testing\n    host: epr",
        ["a.yaml:24: environments.drill.host: 'epr' is not described under `hosts` in any file; did you mean 'erp'?"],
    ),
    "empty value": (
        "user: odoo-drill",
        "user:",
        ["a.yaml:29: environments.drill.database.user: is empty; write a value, or delete the line"],
    ),
    "empty secret": (
        "{from_env: RESTIC_PASSWORD}",
        "",
        ["a.yaml:8: repositories.main.password: is empty; write a value, or delete the line"],
    ),
    "word for a number": (
        "port: 5432",
        "port: many",
        ["a.yaml:18: environments.production.database.port: must be a whole number"],
    ),
    "number too large": (
        "port: 5432",
        "port: 70000",
        ["a.yaml:18: environments.production.database.port: must be at most 65535"],
    ),
    "list for text": (
        "become: odoo",
        "become: [odoo]",
        ["a.yaml:4: hosts.erp.become: must be text"],
    ),
    "text for a map": (
        "    service: {kind: systemd}",
        "    service: systemd",
        ["a.yaml:21: environments.production.service: must be a map: one `field: value` in each line below it"],
    ),
    "text for a list": (
        "command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        "command: /usr/bin/odoo}\n    database:\n      name: erp\n",
        ["a.yaml:14: environments.production.odoo.command: must be a list: [first, second]"],
    ),
    "map in a list": (
        "command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        "command: [/usr/bin/odoo, {a: b}]}\n    database:\n      name: erp\n",
        ["a.yaml:14: environments.production.odoo.command[1]: must be text"],
    ),
    "empty list": (
        "command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        "command: []}\n    database:\n      name: erp\n",
        ["a.yaml:14: environments.production.odoo.command: is too short; it needs at least 1"],
    ),
    "unknown stage": (
        "stage: testing",
        "stage: test",
        [
            (
                "a.yaml:23: environments.drill.stage: must be one of development, testing, staging, production; "
                "did you mean 'testing'?"
            )
        ],
    ),
    "unknown kind": (
        "{kind: systemd}",
        "{kind: system}",
        [
            (
                "a.yaml:21: environments.production.service.kind: must be one of systemd, process, none; "
                "did you mean 'systemd'?"
            )
        ],
    ),
    "missing kind": (
        "{kind: systemd}",
        "{unit: odoo.service}",
        ["a.yaml:21: environments.production.service.kind: is missing. Write one of systemd, process, none"],
    ),
    "field of another kind": (
        "{kind: systemd}",
        "{kind: systemd, pid_file: /run/odoo.pid}",
        ["a.yaml:21: environments.production.service.pid_file: is not a field"],
    ),
    "bad pattern inside a kind": (
        "{kind: systemd}",
        "{kind: systemd, unit: odoo service}",
        ["a.yaml:21: environments.production.service.unit: may hold only letters, digits and @ : . _ -"],
    ),
    "bad version": (
        "{version: 19.0, command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        "{version: 19, command: [/usr/bin/odoo]}\n    database:\n      name: erp\n",
        ["a.yaml:14: environments.production.odoo.version: must be an Odoo series, such as 19.0"],
    ),
    "relative path": (
        "path: /srv/backups}",
        "path: backups}",
        [
            (
                "a.yaml:7: repositories.main.location.path: "
                "'backups' is not an absolute path below / (write it in full, without '..')"
            )
        ],
    ),
    "entry that is no map": (
        "    become: odoo",
        "    become: odoo\n  two: three",
        ["a.yaml:5: hosts.two: must be a map of fields"],
    ),
    "key written twice": (
        "      port: 5432",
        "      port: 5432\n      port: 5433",
        ["a.yaml:19: environments.production.database.port: is written twice; the first is in line 18"],
    ),
    "name written twice": (
        "  drill:",
        "  production:",
        ["a.yaml:22: environments.production: is written twice; the first is in line 10"],
    ),
    "key that is a list": (
        "    become: odoo",
        "    [be, come]: odoo",
        ["a.yaml:4: hosts.erp: has a key that is not text"],
    ),
    "tag": (
        "become: odoo",
        "become: !env ODOO",
        ["a.yaml:4: hosts.erp.become: has a YAML tag (`!…`); write it without one, or in quotes"],
    ),
    "alias of what holds it": (
        "    become: odoo",
        "    become: &b [*b]",
        [
            "a.yaml:4: hosts.erp.become: must be text",
            f"a.yaml:4: hosts.erp.become{'[0]' * 10}: is nested too deeply; does it hold itself?",
        ],
    ),
    "not YAML": (
        "hosts:",
        "hosts: [",
        ["a.yaml:3: is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"],
    ),
    "several at once": (
        "    become: odoo\nrepositories:",
        "    becom: odoo\nrepository:",
        [
            "a.yaml:4: hosts.erp.becom: is not a field; did you mean 'become'?",
            (
                "a.yaml:5: repository: is not one of hosts, repositories, environments, webhooks; "
                "did you mean 'repositories'?"
            ),
            "a.yaml:13: environments.production.repository: 'main' is not described under `repositories` in any file",
            "a.yaml:25: environments.drill.repository: 'main' is not described under `repositories` in any file",
        ],
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), ONE_FILE.values(), ids=ONE_FILE.keys())
def test_load_names_line_and_field_when_a_file_holds_mistakes(
    folder: Path, old: str, new: str, expected: list[str]
) -> None:
    assert old in VALID
    write(folder, VALID.replace(old, new, 1))
    assert mistakes(folder) == expected


# What stands in place of the password of the repository, and the mistake to find.
SECRETS = {
    "literal": (SECRET, ASK_FOR_REFERENCE),
    "literal list": (f"[{SECRET}]", ASK_FOR_REFERENCE),
    "literal number": ("12345678", ASK_FOR_REFERENCE),
    "literal in place of a name": (
        f"{{from_env: {SECRET}}}",
        "from_env takes the name of a variable: capital letters, digits and underscores",
    ),
    "literal in place of a path": (
        f"{{from_file: {SECRET}}}",
        "from_file takes the full path of a file, from / on",
    ),
    "misspelled reference": (
        f"{{from_environment: {SECRET}}}",
        "is a secret; write {from_env: NAME} or {from_file: /path}, and nothing else",
    ),
    "two references": (
        "{from_env: RESTIC_PASSWORD, from_file: /x}",
        "is a secret; write {from_env: NAME} or {from_file: /path}, and nothing else",
    ),
    "no such variable": (
        "{from_env: NO_SUCH_VARIABLE}",
        "the environment variable NO_SUCH_VARIABLE is not set; set it where you run this command",
    ),
    "empty variable": ("{from_env: EMPTY_VARIABLE}", "the environment variable EMPTY_VARIABLE is empty"),
    "no such file": ("{from_file: /nowhere}", "the file /nowhere cannot be read: No such file or directory"),
    "folder": ("{from_file: /etc}", "the file /etc cannot be read: Is a directory"),
    "endless file": ("{from_file: /dev/zero}", "the file /dev/zero is larger than 64 KiB"),
    "empty file": ("{from_file: /dev/null}", "the file /dev/null is empty"),
    "too short": ("{from_env: SHORT_VARIABLE}", "is too short; it needs at least 8"),
}


@pytest.mark.parametrize(("written", "expected"), SECRETS.values(), ids=SECRETS.keys())
def test_load_shows_no_secret_when_one_is_written_badly(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, expected: str
) -> None:
    monkeypatch.setenv("EMPTY_VARIABLE", "")
    monkeypatch.setenv("SHORT_VARIABLE", "hunter2")
    write(folder, VALID.replace("{from_env: RESTIC_PASSWORD}", written))
    assert mistakes(folder) == [f"a.yaml:8: repositories.main.password: {expected}"]


@pytest.mark.parametrize("written", [f"*{SECRET}", f"!{SECRET}", f"'{SECRET}", f"{{{SECRET}: [", f"%{SECRET}"])
def test_load_shows_no_secret_when_the_yaml_around_it_is_broken(folder: Path, written: str) -> None:
    write(folder, VALID.replace("{from_env: RESTIC_PASSWORD}", written))
    assert mistakes(folder)


def test_load_shows_no_secret_when_its_file_is_named_by_an_ordinary_field(folder: Path) -> None:
    (folder / "secret").write_text(SECRET)
    write(folder, VALID.replace("/srv/backups", "{from_file: secret}"))
    assert mistakes(folder) == ["a.yaml:7: repositories.main.location.path: what the file holds is not valid here"]


def test_load_refuses_a_variable_when_the_field_is_no_secret(folder: Path) -> None:
    write(folder, VALID.replace("/srv/backups", "{from_env: RESTIC_PASSWORD}"))
    expected = "is not a secret; write the text itself or {from_file: path}"
    assert mistakes(folder) == [f"a.yaml:7: repositories.main.location.path: {expected}"]


ROLE = (
    "a.yaml:29: environments.drill.database.user: is also the role of production environment production (a.yaml:10) "
    "on the same PostgreSQL. Odoo runs its scheduled actions on every database that its role owns, so one Odoo could "
    "send mail and take payments from the other's data; create a role of its own"
)
DATABASE = (
    "a.yaml:28: environments.drill.database.name: is the database of production (a.yaml:10) too; "
    "each environment needs its own"
)

UNIT = (
    "a.yaml:32: environments.drill.service.unit: is that of production environment production (a.yaml:10), too; a "
    "restore here would stop its Odoo"
)
_STATE = "state_dir: /var/lib/odoo-ops/drill\n"

# Changes to VALID, and the mistakes to find.
SHARED = {
    "database": ([("name: erp-drill", "name: erp")], [DATABASE]),
    "database by another name of the server": (
        [("name: erp-drill", "name: erp\n      server: localhost")],
        [DATABASE],
    ),
    "database on a server elsewhere": (
        [("name: erp-drill", "name: erp\n      server: db.example.com")],
        [],
    ),
    "database on another port": ([("name: erp-drill", "name: erp\n      port: 5433")], []),
    "state_dir": (
        [("state_dir: /var/lib/odoo-ops/drill", "state_dir: /var/lib/odoo-ops//production/")],
        [
            (
                "a.yaml:31: environments.drill.state_dir: is the state_dir of production (a.yaml:10) too; "
                "their locks and spools would mix, name another folder"
            )
        ],
    ),
    "data_dir only": ([("data_dir: /var/lib/odoo-drill", "data_dir: /var/lib/odoo")], []),
    "filestore": (
        [
            ("data_dir: /var/lib/odoo-drill", "data_dir: /var/lib/odoo"),
            ("name: erp-drill", "name: erp\n      port: 5433"),
        ],
        [
            (
                "a.yaml:31: environments.drill.data_dir: with database 'erp' gives the filestore of "
                "production (a.yaml:10) too; name another data_dir or database"
            )
        ],
    ),
    "production's role": ([("user: odoo-drill", "user: odoo")], [ROLE]),
    "a role without production": (
        [("user: odoo-drill", "user: odoo"), ("stage: production", "stage: staging")],
        [],
    ),
    "production's unit": ([(_STATE, f"{_STATE}    service: {{kind: systemd, unit: odoo}}\n")], [UNIT]),
    "another unit than production's": (
        [(_STATE, f"{_STATE}    service: {{kind: systemd, unit: odoo-drill.service}}\n")],
        [],
    ),
    "production without a service": (
        [("    service: {kind: systemd}\n", "")],
        [
            (
                "a.yaml:10: environments.production.service: a production environment needs one: a restore stops Odoo "
                "first; write {kind: systemd, unit: odoo.service}"
            )
        ],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), SHARED.values(), ids=SHARED.keys())
def test_load_finds_what_environments_share_when_they_must_not(
    folder: Path, changes: list[tuple[str, str]], expected: list[str]
) -> None:
    text = VALID
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    write(folder, text)
    if expected:
        assert mistakes(folder) == expected
    else:
        load(folder)


def test_load_compares_addresses_when_one_machine_has_two_names(folder: Path) -> None:
    host = VALID.partition("repositories:")[0].replace("  erp:", "  same:").replace("erp.example", "ERP.example")
    write(folder, host, "b.yaml")
    drill = VALID.replace("stage: testing\n    host: erp", "stage: testing\n    host: same")
    write(folder, drill.replace("name: erp-drill", "name: erp"))
    assert mistakes(folder) == [DATABASE]
    write(folder, host.replace("ERP.example", "other.example"), "b.yaml")
    load(folder)


def test_load_names_both_places_when_two_files_describe_one_name(folder: Path) -> None:
    write(folder)
    write(folder, "# a comment\nrepositories:\n  main: {}\n", "b.yaml")
    expected = "is described in a.yaml:6 already; names are unique over all files"
    assert mistakes(folder) == [f"b.yaml:3: repositories.main: {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- hosts\n", "a.yaml:1: must be a map with the keys hosts, repositories, environments, webhooks"),
        ("hosts: erp\n", "a.yaml:1: hosts: must be a map of names"),
        (
            "hosts: {}\n---\nhosts: {}\n",
            "a.yaml:2: is not YAML: expected a single document in the stream, but found another document",
        ),
        ("hosts: \x07\n", "a.yaml: is not YAML: it holds a character that YAML does not allow"),
    ],
)
def test_load_says_what_it_must_hold_when_a_file_holds_something_else(folder: Path, text: str, expected: str) -> None:
    write(folder, text)
    assert mistakes(folder) == [expected]


def test_load_says_why_when_a_file_cannot_be_read(folder: Path) -> None:
    (folder / "a.yaml").mkdir()
    (folder / "b.yaml").symlink_to("nowhere")
    (folder / "c.yaml").write_bytes(b"hosts: \xff")
    assert mistakes(folder) == [
        "a.yaml: cannot be read: Is a directory",
        "b.yaml: cannot be read: No such file or directory",
        "c.yaml: cannot be read: it is not UTF-8 text",
    ]


def test_load_says_so_when_there_is_no_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path) == [f"{tmp_path}: holds no *.yaml file; describe an environment there"]
    assert mistakes(tmp_path / "nowhere") == [f"{tmp_path}/nowhere: is not a folder"]


WEBHOOKS = """\
webhooks:
  hub:
    forge: github
    secret: {from_file: KEY}
    rules:
      - {repository: acme/addons, branch: main, environments: [drill]}
      - {repository: acme/addons, tag: v*, environments: [production]}
"""


_TO_PRODUCTION = "    service: {kind: systemd}\n"
_OF_PRODUCTION = RELEASE.replace("/opt/addons", "/opt/of-production")
RELEASED = VALID.replace(_TO_PRODUCTION, _OF_PRODUCTION + _TO_PRODUCTION) + RELEASE


def test_load_gives_the_sources_of_webhooks_when_files_are_valid(folder: Path) -> None:
    (folder / "key").write_text("sixteen-characters-or-more\n")
    write(folder, RELEASED)
    write(folder, WEBHOOKS, "b.yaml")
    found = load(folder).webhooks["hub"]
    assert found.secret.get_secret_value() == "sixteen-characters-or-more"
    assert [rule.ref for rule in found.rules] == ["refs/heads/main", "refs/tags/v*"]
    assert load(folder, look=False).webhooks.keys() == {"hub"}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[drill]",
            "[dril]",
            "b.yaml:6: webhooks.hub.rules[0].environments: 'dril' is not described under `environments` in any file",
        ),
        (
            "branch: main,",
            "branch: main, image: 'erp:{commit}',",
            "b.yaml:6: webhooks.hub.rules[0].environments: 'drill' does not run in containers",
        ),
        ("branch: main,", "", "b.yaml:6: webhooks.hub.rules[0]: names both branch and tag, or neither"),
        ("github", "githup", "b.yaml:3: webhooks.hub.forge: must be one of github, gitlab, gitea, forgejo, generic"),
        (
            "forge: github",
            "forge: gitea\n    token: {from_file: KEY}",
            "b.yaml:2: webhooks.hub: has a token and no api",
        ),
        ("{from_file: KEY}", "hunter2-hunter2-hunter2", f"b.yaml:4: webhooks.hub.secret: {ASK_FOR_REFERENCE}"),
    ],
)
def test_load_names_line_and_field_when_a_source_of_webhooks_holds_a_mistake(
    folder: Path, old: str, new: str, expected: str
) -> None:
    (folder / "key").write_text("sixteen-characters-or-more\n")
    write(folder, RELEASED)
    assert old in WEBHOOKS
    write(folder, WEBHOOKS.replace(old, new), "b.yaml")
    (found,) = mistakes(folder)
    assert found.startswith(expected)


def test_rule_is_refused_for_an_environment_to_which_nothing_is_released(folder: Path) -> None:
    (folder / "key").write_text("sixteen-characters-or-more\n")
    write(folder, VALID + RELEASE)
    write(folder, WEBHOOKS, "b.yaml")
    (found,) = mistakes(folder)
    assert found.startswith("b.yaml:7: webhooks.hub.rules[1].environments: 'production' has no `release`. Next step: ")


def test_example_of_webhooks_is_valid_beside_the_environments_that_it_names(folder: Path) -> None:
    write(folder, (EXAMPLES / "example.yaml").read_text())
    write(folder, (EXAMPLES.parent / "examples" / "webhook" / "webhooks.yaml").read_text(), "b.yaml")
    assert {source.forge for source in load(folder, look=False).webhooks.values()} == {"github", "forgejo", "generic"}


def patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from patterns(item)
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        yield from patterns(list(schema.values()))


def test_wording_knows_every_pattern_when_the_model_has_one() -> None:
    found = {
        pattern
        for model in (OpenHost, OpenRepository, Environment, Source)
        for pattern in patterns(model.model_json_schema())
    }
    assert found == set(PATTERNS)
