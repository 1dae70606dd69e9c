"""What an Odoo database knows of its modules, and what is put on record there."""

import json

from odoo_ops.adapters.database import Connection
from odoo_ops.adapters.odoo_database import read_unsettled_modules
from odoo_ops.model.release import InstalledModules

# of click-odoo-update (click_odoo_contrib, update.py), which goes on where we end and the other way round
_CHECKSUMS = "module_auto_update.installed_checksums"
_EXCLUDE = "module_auto_update.exclude_patterns"
_EXCLUDED = "*.pyc,*.pyo,i18n/*.pot,i18n_extra/*.pot,static/*,tests/*"


def read_installed(connection: Connection) -> InstalledModules:
    """The installed modules of a database, and what is on record of their files."""
    parameters: dict[str, str] = dict(
        connection.execute(
            "SELECT key, value FROM ir_config_parameter WHERE key = ANY(%s)", [[_CHECKSUMS, _EXCLUDE]]
        ).fetchall()
    )
    patterns = (parameters.get(_EXCLUDE) or _EXCLUDED).split(",")
    languages = connection.execute("SELECT code FROM res_lang WHERE active ORDER BY 1").fetchall()
    return InstalledModules(
        versions=dict(
            connection.execute(
                "SELECT name, coalesce(latest_version, '') FROM ir_module_module"
                " WHERE state IN ('installed', 'to upgrade') ORDER BY 1"
            ).fetchall()
        ),
        checksums=json.loads(parameters[_CHECKSUMS]) if parameters.get(_CHECKSUMS) else None,
        exclude_patterns=tuple(pattern.strip() for pattern in patterns),
        languages=tuple(code for (code,) in languages),
        unsettled=tuple(read_unsettled_modules(connection)),
    )


def record_checksums(connection: Connection, checksums: dict[str, str]) -> None:
    """Put on record of which files the installed modules are."""
    value = json.dumps(checksums)
    updated = connection.execute(
        "UPDATE ir_config_parameter SET value = %s, write_date = now() AT TIME ZONE 'UTC' WHERE key = %s",
        [value, _CHECKSUMS],
    )
    if not updated.rowcount:
        connection.execute(
            "INSERT INTO ir_config_parameter (key, value, create_date, write_date)"
            " VALUES (%s, %s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')",
            [_CHECKSUMS, value],
        )


def read_row_changes(connection: Connection) -> dict[str, int]:
    """Rows inserted, updated and deleted in each table since PostgreSQL began to count, those of 0 left out."""
    return dict(
        connection.execute(
            "SELECT schemaname || '.' || relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY 1"
        ).fetchall()
    )


def read_database_oid(connection: Connection) -> int:
    """PostgreSQL's own number of the current database: a rename keeps it, another one in its place has another."""
    row = connection.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()").fetchone()
    return int(row[0]) if row else 0
