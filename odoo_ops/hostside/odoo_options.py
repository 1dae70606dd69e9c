"""What the words and files of an Odoo say, without its secrets: of these only how they are is told."""

import configparser
import os
import shlex
from collections.abc import Sequence

PROGRAMS = {"odoo", "odoo-bin", "odoo.py", "openerp-server"}
_SHELLS = {"sh", "bash", "dash"}

# options of interest by their name in odoo.conf -> how they are written as arguments
_OPTIONS = {
    "config": ("-c", "--config"),
    "db_name": ("-d", "--database"),
    "dbfilter": ("--db-filter",),
    "db_host": ("--db_host",),
    "db_port": ("--db_port",),
    "db_user": ("-r", "--db_user"),
    "data_dir": ("-D", "--data-dir"),
    "addons_path": ("--addons-path",),
    "http_port": ("-p", "--http-port"),
    "workers": ("--workers",),
    "dev_mode": ("--dev",),
    "pidfile": ("--pidfile",),
    "logfile": ("--logfile",),
    "list_db": (),
    "proxy_mode": (),
}
_FLAGS = {
    "--proxy-mode": ("proxy_mode", "True"),
    "--no-database-list": ("list_db", "False"),
    "--no-http": ("http_enable", "False"),
}
_SECRETS = {"db_password": ("-w", "--db_password"), "admin_passwd": ()}
_NAMES = {written: name for table in (_OPTIONS, _SECRETS) for name, ways in table.items() for written in ways}
# what Odoo and its official image take where nothing is said: everybody knows it
_KNOWN = {"admin", "odoo"}
_NOTHING = {"", "False", "None", "false"}

_VARIABLES = {
    *("HOST", "PORT", "USER", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "ODOO_RC", "ODOO_VERSION"),
    *("PG_MAJOR", "PGDATA", "POSTGRES_USER", "POSTGRES_HOST_AUTH_METHOD", "PASSWORD_FILE"),
}
_SECRET_VARIABLES = {"PASSWORD", "PGPASSWORD", "POSTGRES_PASSWORD"}


def program_words(argv: Sequence[str]) -> int:
    """How many words of a command line name Odoo's program; 0: it is another program."""
    first = os.path.basename(argv[0]) if argv else ""
    if first in PROGRAMS:
        return 1
    if first.startswith("python"):
        for place, word in enumerate(argv[1:], 1):
            if os.path.basename(word) in PROGRAMS:
                return place + 1
            if not word.startswith("-"):
                break
    return 0


def unwrapped(argv: list[str]) -> list[str]:
    """The words that a shell is given by `-c`, or the words as they are."""
    if argv[1:2] == ["-c"] and argv[2:] and os.path.basename(argv[0]) in _SHELLS:
        try:
            words = shlex.split(argv[2])
        except ValueError:
            return argv
        return words[1:] if words[:1] == ["exec"] else words
    return argv


def read_arguments(words: Sequence[str]) -> "tuple[dict[str, str], dict[str, str]]":
    """Options of interest in a command line, and how its secrets are."""
    options: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for place, word in enumerate(words):
        written, separator, value = word.partition("=")
        if word in _FLAGS:
            options.setdefault(*_FLAGS[word])
        elif name := _NAMES.get(written):
            value = value if separator else "".join(words[place + 1 : place + 2])
            _take(name, value, options, secrets)
        elif word[:2] in _NAMES and not word.startswith("--"):  # `-derp`
            _take(_NAMES[word[:2]], word[2:], options, secrets)
    return options, secrets


def read_file(text: str) -> "tuple[dict[str, str], dict[str, str]] | None":
    """Options of interest in an odoo.conf, and how its secrets are; None: the text is no such file."""
    found = _parsed(text)
    if found is None:
        return None
    options: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for name, value in found.items():
        _take(name, value.strip(), options, secrets)
    return options, secrets


def password_in(words: Sequence[str], text: str | None) -> str | None:
    """The database's password, for a program on this host alone; None: there is none."""
    for place, word in enumerate(words):
        written, separator, value = word.partition("=")
        if written in _SECRETS["db_password"]:
            return value if separator else "".join(words[place + 1 : place + 2])
    value = (_parsed(text or "") or {}).get("db_password", "")
    return None if value in _NOTHING else value


def _parsed(text: str) -> dict[str, str] | None:
    """The options of an odoo.conf; None: it is none. The parser's error would repeat the file's words."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return dict(parser["options"]) if parser.has_section("options") else {}


def known_variables(environment: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Variables of interest, and how the secret ones are."""
    shown = {name: value for name, value in environment.items() if name in _VARIABLES}
    return shown, {name: kind_of_secret(environment[name]) for name in _SECRET_VARIABLES & environment.keys()}


def kind_of_secret(value: str) -> str:
    """How a secret is: `none`, `known` to everybody, `hashed` or `set`."""
    if value in _NOTHING:
        return "none"
    if value in _KNOWN:
        return "known"
    return "hashed" if value.startswith("$") else "set"


def _take(name: str, value: str, options: dict[str, str], secrets: dict[str, str]) -> None:
    if name in _SECRETS:
        secrets[name] = kind_of_secret(value)
    elif name in _OPTIONS and (value not in _NOTHING or name in {"list_db", "proxy_mode"}):
        options[name] = value
