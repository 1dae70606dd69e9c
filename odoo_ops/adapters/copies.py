"""A copy of an environment's database: neutralise it before any Odoo process sees it, and make sure that it is."""

from datetime import UTC, datetime

import psycopg
from psycopg import sql

from odoo_ops.adapters.database import Connection
from odoo_ops.errors import VerificationFailed
from odoo_ops.model.copies import CopyIdentity, Neutralization

# Odoo's own statements leave these. Each only where its table and column are there.
_SECRETS = (
    ("ir_mail_server", "smtp_pass"),
    ("ir_mail_server", "smtp_ssl_private_key"),
    ("fetchmail_server", "password"),
)
_COLLECTOR = "SELECT res_id FROM ir_model_data WHERE model = 'ir.cron' AND module = 'base' AND name = 'autovacuum_job'"
_QUEUES = (
    ("mail_mail", "state IN ('outgoing', 'exception')", "state = 'cancel'"),
    ("queue_job", "state IN ('pending', 'enqueued', 'started', 'wait_dependencies')", "state = 'cancelled'"),
    ("sms_sms", "state IN ('outgoing', 'error')", "state = 'canceled'"),
)


def read_installed_modules(connection: Connection) -> list[str]:
    """Modules that must be on disk; those that were imported as data (Studio's) live in the database alone."""
    rows = connection.execute(
        "SELECT name FROM ir_module_module m WHERE state IN ('installed', 'to upgrade', 'to remove')"
        " AND NOT coalesce((to_jsonb(m) ->> 'imported')::boolean, false) ORDER BY name = 'base' DESC, name"
    ).fetchall()
    return [name for (name,) in rows]


def neutralize(connection: Connection, neutralization: Neutralization, identity: CopyIdentity) -> None:
    """Apply Odoo's own statements and what they leave out, all or nothing: queued mail, secrets, identity.

    Raises VerificationFailed when a statement fails.
    """
    try:
        with connection.transaction():
            for query in neutralization.queries:
                connection.execute(query.encode())
            _forget_secrets(connection)
            _give_identity(connection, identity)
    except psycopg.Error as error:
        raise VerificationFailed(
            f"The copy could not be neutralised: {str(error).strip()}. No Odoo has seen it. "
            "Next step: look at the module whose data/neutralize.sql says that."
        ) from error


def _forget_secrets(connection: Connection) -> None:
    for table, column in _SECRETS:
        if _has_column(connection, table, column):
            connection.execute(
                sql.SQL("UPDATE {} SET {} = NULL WHERE {} IS NOT NULL").format(
                    sql.Identifier(table), sql.Identifier(column), sql.Identifier(column)
                )
            )
    for table, where, change in _QUEUES:
        if _has_column(connection, table, "state"):
            connection.execute(f"UPDATE {table} SET {change} WHERE {where}".encode())  # noqa: S608 - constants
    if _has_column(connection, "res_users_apikeys", "id"):
        connection.execute("DELETE FROM res_users_apikeys")


def _give_identity(connection: Connection, identity: CopyIdentity) -> None:
    """A copy must not pass for the original: towards Odoo S.A., towards browsers, in links of mails."""
    parameters = {
        "database.uuid": identity.uuid,
        "database.secret": identity.secret.get_secret_value(),
        "database.create_date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "web.base.url": identity.base_url,
        "web.base.url.freeze": "True",
    }
    connection.execute("DELETE FROM ir_config_parameter WHERE key = 'database.enterprise_code'")
    for key, value in parameters.items():
        connection.execute(
            "INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [key, value],
        )


def faults_of_copy(connection: Connection) -> list[str]:
    """What in a neutralised copy could still reach the world, in words; none is expected."""
    faults = []
    flag = connection.execute("SELECT value FROM ir_config_parameter WHERE key = 'database.is_neutralized'").fetchone()
    if flag is None or str(flag[0]).lower() not in {"true", "t"}:
        faults.append("database.is_neutralized is not set")
    counted = {
        "mail servers are active": ("ir_mail_server", "active AND smtp_host <> 'invalid'"),
        "incoming mail servers are active": ("fetchmail_server", "active"),
        "mails are queued": ("mail_mail", "state = 'outgoing'"),
        "jobs are queued": ("queue_job", "state IN ('pending', 'enqueued', 'started')"),
        "scheduled actions are active": (
            "ir_cron",
            f"active AND id NOT IN ({_COLLECTOR})",
        ),
        "API keys are left": ("res_users_apikeys", "true"),
    }
    for fault, (table, where) in counted.items():
        if _has_column(connection, table, "id"):
            row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode()).fetchone()  # noqa: S608 - constants
            if row and row[0]:
                faults.append(f"{row[0]} {fault}")
    return faults


def give_login(connection: Connection, password: str) -> str:
    """Let an administrator of a copy log in with this password, without a second factor. Returns the login.

    Odoo takes a plain password in the column once and hashes it at the login (`res.users._crypt_context`): only for a
    copy that is dropped afterwards. Else give it one as `policy.passwords.hashed` makes it. Raises VerificationFailed
    when nobody is an administrator.
    """
    row = connection.execute(
        "SELECT u.id, u.login FROM res_users u JOIN res_groups_users_rel r ON r.uid = u.id"
        " JOIN ir_model_data d ON d.res_id = r.gid AND d.model = 'res.groups'"
        " AND d.module = 'base' AND d.name = 'group_system' WHERE u.active AND u.id <> 1 ORDER BY u.id LIMIT 1"
    ).fetchone()
    if row is None:
        raise VerificationFailed("No active user is in the group base.group_system: nobody could administer this Odoo.")
    connection.execute("UPDATE res_users SET password = %s WHERE id = %s", [password, row[0]])
    if _has_column(connection, "res_users", "totp_secret"):
        connection.execute("UPDATE res_users SET totp_secret = NULL WHERE id = %s", [row[0]])
    connection.execute("DELETE FROM ir_config_parameter WHERE key = 'auth_totp.policy'")
    return str(row[1])


def _has_column(connection: Connection, table: str, column: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
        [table, column],
    )
    return found.fetchone() is not None
