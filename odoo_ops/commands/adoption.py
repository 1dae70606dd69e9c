"""Commands that look at an Odoo that was set up by hand; none changes anything."""

import json
from collections.abc import Sequence

from pydantic import SecretStr

from odoo_ops.model.command import Command

_READ_ONLY = "-c default_transaction_read_only=on"
_PSQL = ("--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")

# of the server: its version, who may do everything, all databases but PostgreSQL's own
SERVER = """
SELECT json_build_object(
  'major', current_setting('server_version_num')::int / 10000,
  'superusers', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles WHERE rolsuper),
  'databases', (SELECT coalesce(json_agg(json_build_object('name', datname, 'owner', pg_get_userbyid(datdba),
      'size_bytes', CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END)
      ORDER BY datname), '[]')
    FROM pg_database WHERE datallowconn AND NOT datistemplate AND datname <> 'postgres'))
"""
IS_ODOO = "SELECT to_regclass('ir_module_module') IS NOT NULL AND to_regclass('ir_attachment') IS NOT NULL"
# of an Odoo database: what FoundDatabase says of it beside its name
ODOO = """
SELECT json_build_object(
  'odoo_version', (SELECT coalesce(max(latest_version), '') FROM ir_module_module WHERE name = 'base'),
  'attachments', (SELECT count(DISTINCT store_fname) FROM ir_attachment WHERE store_fname <> ''),
  'samples', (SELECT coalesce(json_agg(store_fname), '[]') FROM (SELECT DISTINCT store_fname FROM ir_attachment
      WHERE store_fname <> '' AND store_fname ~ '^[0-9a-f]{2}/[0-9a-f]+$' ORDER BY 1 LIMIT 500) sample))
"""


def list_projects() -> Command:
    """Print Docker's compose projects, running or not; `parse_projects` reads it."""
    return Command(argv=("docker", "compose", "ls", "--all", "--format=json"))


def parse_projects(output: str) -> list[str]:
    """The names of the projects."""
    return [entry["Name"] for entry in json.loads(output)]


def inside(container: str, command: Command) -> Command:
    """The same command in a container that runs; its variables go with it."""
    variables = [f"--env={name}={value}" for name, value in command.environment.items()]
    return Command(argv=("docker", "exec", "--interactive", *variables, container, *command.argv), stdin=command.stdin)


def ask(
    database: str, sql: str, *, user: str, server: str = "", port: int | None = None, program: str = "psql"
) -> Command:
    """Print what one query answers, in a session that cannot write. Without a server: by the socket that is usual."""
    place = {"PGHOST": server} if server else {}
    place |= {"PGPORT": str(port)} if port else {}
    return Command(
        argv=(program, *_PSQL, f"--username={user}", f"--command={sql}"),
        environment={**place, "PGDATABASE": database, "PGOPTIONS": _READ_ONLY, "PGCONNECT_TIMEOUT": "10"},
    )


def as_user(user: str, command: Command) -> Command:
    """The same command, by root in the name of another user."""
    return command.model_copy(update={"argv": ("runuser", "-u", user, "--", *command.argv)})


def count_missing(folder: str, files: Sequence[str]) -> Command:
    """Print how many of these files, relative to a folder, are not there."""
    script = 'missing=0; while read -r file; do [ -f "$1/$file" ] || missing=$((missing + 1)); done; echo "$missing"'
    listed = "".join(f"{file}\n" for file in files)
    return Command(argv=("sh", "-c", script, "sh", folder), stdin=SecretStr(listed))


def measure(folder: str) -> Command:
    """Print the bytes of a folder and its name, a tab between them."""
    return Command(argv=("du", "--summarize", "--block-size=1", "--", folder))


def list_with_base(folders: Sequence[str]) -> Command:
    """Print those of these folders that hold Odoo's own modules, one a line."""
    script = 'for folder; do if [ -d "$folder/base" ] || [ -d "$folder/web" ]; then echo "$folder"; fi; done'
    return Command(argv=("sh", "-c", script, "sh", *folders))
