"""Commands of systemd."""

from odoo_ops.model.command import Command


def unit_state(unit: str) -> Command:
    """Print the unit's state (`active`, `inactive`, `failed`); status 0 for every state."""
    return Command(argv=("systemctl", "show", "--property=ActiveState", "--value", "--", unit))


def stop_unit(unit: str) -> Command:
    """Stop a unit and wait for its end."""
    return Command(argv=("systemctl", "stop", "--", unit))


def start_unit(unit: str) -> Command:
    """Start a unit."""
    return Command(argv=("systemctl", "start", "--", unit))
