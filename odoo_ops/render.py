"""Jinja2 templates to text; a name that the model does not give is an error."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def _bytes(value: int) -> str:
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004 - SI prefixes go in thousands
        amount, units = amount / 1000, units[1:]
    return f"{amount:.1f} {units[0]}" if units[0] != "B" else f"{value} B"


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", "<br>")


def render(template: str, **values: Any) -> str:
    """Text of `templates/<template>.j2` with these values."""
    environment = Environment(  # noqa: S701 - Markdown, not HTML
        loader=PackageLoader("templates", ""), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(bytes=_bytes, duration=_duration, cell=_cell)
    return environment.get_template(f"{template}.j2").render(**values)
