"""Jinja2 templates to text; a name that the model does not give is an error."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from odoo_ops.units import shown_bytes, shown_duration


def _cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", "<br>")


def render(template: str, **values: Any) -> str:
    """Text of `templates/<template>.j2` with these values."""
    environment = Environment(
        loader=PackageLoader("templates", ""),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(("html.j2",)),
    )
    environment.filters.update(bytes=shown_bytes, duration=shown_duration, cell=_cell)
    return environment.get_template(f"{template}.j2").render(**values)
