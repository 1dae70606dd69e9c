"""What the command lines here have in common: errors raised on purpose are told plainly, and an interruption too."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from odoo_ops.errors import OdooOpsError

_INTERRUPTED = 130


@contextmanager
def errors_told(status: int = 1) -> Iterator[None]:
    """An error that was raised on purpose is told plainly and ends the command with this status."""
    try:
        yield
    except OdooOpsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(status) from None


@contextmanager
def interruption_told(text: str) -> Iterator[None]:
    """SIGTERM and SIGHUP are from now on as Ctrl-C; one that ends the block is told by this text."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"\nInterrupted. {text}", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
