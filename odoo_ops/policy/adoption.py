"""The environment file of an Odoo that was found: what is written, and what is left to whoever reviews it."""

from typing import Any

from odoo_ops.model.adoption import FoundOdoo
from odoo_ops.model.found import POSTGRES_PORT
from odoo_ops.policy.found_odoo import series, superuser_of
from odoo_ops.policy.toolboxes import RESTORE_TOOLBOX, TOOLBOX, addons_that_last
from odoo_ops.units import shown_bytes

_HTTP_PORT = "8069"


def secret_names(found: FoundOdoo) -> dict[str, str]:
    """The variables that hold secrets: which secret (`odoo`, `postgres`, `restic`) -> name."""
    beginning = f"ODOO_OPS_{found.name.upper().replace('-', '_')}"
    wanted = ["restic"]
    if found.project or found.settings.secrets.get("db_password", "none") != "none":
        wanted = ["odoo", *wanted]
    if (admin := admin_user(found)) and admin != found.user:
        wanted = ["postgres", *wanted]
    return {secret: f"{beginning}_{secret.upper()}_PASSWORD" for secret in wanted}


def admin_user(found: FoundOdoo) -> str:
    """The superuser of PostgreSQL's image; "": PostgreSQL is no container of the project."""
    return superuser_of(found.postgres_container) if found.postgres_container else ""


def description(found: FoundOdoo) -> dict[str, Any]:
    """What the file says, section by section; secrets are the names of variables."""
    name, variables = found.name, secret_names(found)
    host = found.request.host or name
    here = {} if found.request.host else {"hosts": {name: {"connection": {"kind": "local"}}}}
    repository = {
        "location": {"kind": "folder", "path": found.repository.path},
        "password": _named(variables["restic"]),
    }
    return {
        **here,
        "repositories": {name: repository},
        "environments": {name: {"stage": found.request.stage, "host": host, "repository": name, **_body(found)}},
    }


def _body(found: FoundOdoo) -> dict[str, Any]:
    body: dict[str, Any] = {"odoo": _odoo(found), "database": _database(found), "data_dir": found.data_dir}
    body["state_dir"] = found.state.path
    if found.odoo:
        return {"runtime": _runtime(found), **body}
    if found.process and found.process.unit:
        body["service"] = {"kind": "systemd", "unit": found.process.unit}
    elif service := _process_service(found):
        body["service"] = service
    return body


def _runtime(found: FoundOdoo) -> dict[str, Any]:
    services = list(dict.fromkeys(one.service for one in found.odoo))
    return {
        "kind": "compose",
        "project": found.request.project,
        "folder": found.odoo[0].folder,
        "odoo_services": services,
        "toolbox": TOOLBOX,
        "restore_toolbox": RESTORE_TOOLBOX,
    }


def _process_service(found: FoundOdoo) -> dict[str, Any] | None:
    """An Odoo that writes its pid and was started by its program and file; its other words may hold a secret."""
    options = found.settings.options
    if not found.config or not options.get("pidfile", "").startswith("/"):
        return None
    return {
        "kind": "process",
        "start": [*found.program, f"--config={found.config}"],
        "pid_file": options["pidfile"],
        "log_file": f"{found.state.path}/odoo.log",
    }


def _odoo(found: FoundOdoo) -> dict[str, Any]:
    host = found.odoo[0].service if found.odoo else "127.0.0.1"
    fields: dict[str, Any] = {"version": odoo_series(found), "command": list(found.program), "config": found.config}
    fields["addons"] = addons_that_last(found)
    fields = {name: value for name, value in fields.items() if value}
    return {**fields, "url": f"http://{host}:{found.settings.options.get('http_port', _HTTP_PORT)}"}


def odoo_series(found: FoundOdoo) -> str:
    """Odoo's series; "": not known."""
    image = found.odoo[0].environment.get("ODOO_VERSION", "") if found.odoo else ""
    return series(found.database.odoo_version) or series(image)


def _database(found: FoundOdoo) -> dict[str, Any]:
    variables, admin = secret_names(found), admin_user(found)
    fields: dict[str, Any] = {"name": found.database.name, "server": found.server}
    if found.port != POSTGRES_PORT:
        fields["port"] = found.port
    fields["user"] = found.user
    if "odoo" in variables:
        fields["password"] = _named(variables["odoo"])
    if admin:
        fields |= {"admin_user": admin, "admin_password": _named(variables.get("postgres", variables["odoo"]))}
    return fields


def _named(variable: str) -> dict[str, str]:
    return {"from_env": variable}


def facts(found: FoundOdoo) -> tuple[tuple[str, str], ...]:
    """Figures of what was found, in words; what was not measured says so."""
    database, files = found.database, found.files
    postgres = f"PostgreSQL {found.postgres.major}" if found.postgres else "PostgreSQL, which was not asked"
    size = shown_bytes(files.size_bytes) if files.size_bytes is not None else "not measured"
    rows = [
        ("Odoo", f"{odoo_series(found) or 'version not known'}, `{' '.join(found.program)}`"),
        ("Odoo's file", found.config or "none"),
        (
            "Database",
            f"{database.name} of {found.user} on {found.server}: {shown_bytes(database.size_bytes)}, {postgres}",
        ),
        ("Filestore", f"{found.data_dir}/filestore/{database.name}: {size}, {database.attachments} attachments"),
        ("Addons of your own", ", ".join(found.addons) or "none"),
        ("Room for backups", f"{shown_bytes(found.repository.free_bytes)} free for {found.repository.path}"),
    ]
    if found.odoo:
        mount = found.odoo[0].mount_of(found.data_dir)
        where = (mount.name or mount.source) if mount else "nothing: it is in the container itself"
        rows.append(("Services", ", ".join(f"{one.service} ({one.image})" for one in found.odoo)))
        rows.append(("Odoo's data lies in", where))
    return tuple(rows)
