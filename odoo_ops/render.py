"""Jinja2 templates to text; a name that the model does not give is an error."""

import json
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from odoo_ops.model.revisions import shown_revision
from odoo_ops.units import shown_bytes, shown_duration


def _cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", "<br>")


def _compose(value: Any) -> str:
    """A value for a compose file: JSON is YAML, and `$` would begin a variable."""
    return json.dumps(value, ensure_ascii=False).replace("$", "$$")


def _pgbouncer(value: str) -> str:
    """Text between the quotes of PgBouncer's list of users."""
    return value.replace('"', '""')


def _revision(folder: str) -> str:
    """What was released, by its folder."""
    return shown_revision(folder.rpartition("/")[2])


def _postgres_text(value: Any) -> str:
    """A value between the quotes of PostgreSQL's configuration, where a backslash begins a sign."""
    return str(value).replace("\\", "\\\\").replace("'", "''")


def _postgres_size(value: int) -> str:
    """Bytes as PostgreSQL's configuration has them, such as `512MB`."""
    return f"{value // 2**20}MB" if value % 2**20 == 0 else f"{value // 2**10}kB"


def _yaml(value: Any) -> str:
    """A value as YAML in blocks, its keys in their order."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110)


def render(template: str, **values: Any) -> str:
    """Text of `templates/<template>.j2` with these values."""
    environment = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(("html.j2",)),
    )
    environment.filters.update(
        bytes=shown_bytes,
        duration=shown_duration,
        cell=_cell,
        compose=_compose,
        pgbouncer=_pgbouncer,
        postgres_size=_postgres_size,
        postgres_text=_postgres_text,
        revision=_revision,
        yaml=_yaml,
    )
    return environment.get_template(f"{template}.j2").render(**values)
