"""Command line: `python -m deployments.demo --help`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from deployments.demo.layout import Layout
from deployments.demo.show import clear, show
from deployments.engines.folder import alone_or_refused
from odoo_ops.errors import OdooOpsError

_PATIENCE_SECONDS = 20  # so long a demo that was told to end may take
_INTERRUPTED = 130

# Local variables hold passwords: typer's own tracebacks would print them.
app = typer.Typer(
    help="A real Odoo: backed up, lost, restored and proved. Everything is under .demo/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run() -> None:
    """Run the demo. Ends with status 0 only if all was proved; then its servers still run."""
    with _alone() as layout:
        passed = show(layout)
    if not passed:
        raise typer.Exit(1)


@app.command()
def stop() -> None:
    """End the servers that a demo left. What is needed to be fast the next time is kept."""
    with _alone() as layout:
        ended = clear(layout)
    typer.echo(f"Ended {ended} processes of the demo." if ended else "Nothing of the demo runs.")


@contextmanager
def _alone() -> Iterator[Layout]:
    """One demo at a time in a checkout; an error raised on purpose is told plainly, an interruption too."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    layout = Layout()
    message = f"A demo runs already in {layout.root}. Next step: wait for its end, or press Ctrl-C in its terminal."
    try:
        with alone_or_refused(layout.lock, message, patience_seconds=_PATIENCE_SECONDS):
            yield layout
    except OdooOpsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\nInterrupted. Everything that the demo had started was ended.", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app(prog_name="python -m deployments.demo")
