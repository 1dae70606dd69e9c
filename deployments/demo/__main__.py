"""Command line: `python -m deployments.demo --help`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from deployments.command_line import errors_told, interruption_told
from deployments.demo.layout import Layout
from deployments.demo.show import Runtime, clear, show
from deployments.engines.folder import alone_or_refused

_PATIENCE_SECONDS = 20  # so long a demo that was told to end may take

# Local variables hold passwords: typer's own tracebacks would print them.
app = typer.Typer(
    help="A real Odoo: backed up, lost, restored and proved. Everything is under .demo/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    runtime: Annotated[
        Runtime, typer.Option(help="How Odoo runs: as a process, or on Docker Compose.")
    ] = Runtime.NATIVE,
) -> None:
    """Run the demo. Ends with status 0 only if all was proved; then its servers still run."""
    with _alone() as layout:
        passed = show(layout, runtime)
    if not passed:
        raise typer.Exit(1)


@app.command()
def stop() -> None:
    """End the servers that a demo left, and remove its containers. What is needed to be fast the next time is kept."""
    with _alone() as layout:
        ended = clear(layout)
    typer.echo(f"Ended {ended} processes and containers of the demo." if ended else "Nothing of the demo runs.")


@contextmanager
def _alone() -> Iterator[Layout]:
    """One demo at a time in a checkout; an error raised on purpose is told plainly, an interruption too."""
    layout = Layout()
    message = f"A demo runs already in {layout.root}. Next step: wait for its end, or press Ctrl-C in its terminal."
    with (
        interruption_told("Everything that the demo had started was ended."),
        errors_told(),
        alone_or_refused(layout.lock, message, patience_seconds=_PATIENCE_SECONDS),
    ):
        yield layout


if __name__ == "__main__":
    app(prog_name="python -m deployments.demo")
