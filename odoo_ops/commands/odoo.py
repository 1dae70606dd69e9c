"""Commands of Odoo's own program."""

import json
from collections.abc import Sequence

from pydantic import SecretStr

from odoo_ops.commands.postgres import connection_environment, connection_secrets
from odoo_ops.model.command import Command
from odoo_ops.model.copies import Neutralization
from odoo_ops.model.environment import DatabaseSettings

_MARK = "odoo-ops-neutralization:"

# Runs in `odoo shell` without a database. `odoo neutralize --stdout` gives the same statements (both call
# `odoo.modules.neutralize`), but opens the copy to learn its modules and does not tell which are not on disk.
_SCRIPT = """
import json
import odoo.release
from odoo.modules.module import get_modules
from odoo.modules.neutralize import get_neutralization_queries
installed = json.loads({modules!r})
print({mark!r} + json.dumps({{
    "series": odoo.release.series,
    "missing": sorted(set(installed) - set(get_modules())),
    "queries": list(get_neutralization_queries(installed)),
}}), flush=True)
"""

# Odoo 19 heeds its variables (ODOO_SMTP_SERVER, PGDATABASE, …) more than its configuration file, so a login's own
# would decide whether a copy runs scheduled actions and reaches the mail server.
NOT_FROM_LOGIN = ("ODOO_", "PG")


def read_neutralization(program: tuple[str, ...], config: str, modules: Sequence[str]) -> Command:
    """Print what neutralises a database with these modules; no database is opened.

    `config` names no database. `parse_neutralization` reads the output.
    """
    script = _SCRIPT.format(modules=json.dumps(list(modules)), mark=_MARK)
    return Command(
        argv=(*program, "shell", f"--config={config}", "--no-http"),
        without=NOT_FROM_LOGIN,
        stdin=SecretStr(script),
    )


def parse_neutralization(output: str) -> Neutralization | None:
    """What `read_neutralization` printed, or None if its line is not there."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            return Neutralization.model_validate_json(line.removeprefix(_MARK))
    return None


def serve(program: tuple[str, ...], config: str, database: DatabaseSettings) -> Command:
    """Run an Odoo server for one database and no other."""
    return Command(
        argv=(*program, f"--config={config}", f"--database={database.name}"),
        environment={**connection_environment(database), "PGDATABASE": database.name},
        without=NOT_FROM_LOGIN,
        secrets=connection_secrets(database),
    )
