"""Command line: `python -m deployments.bench --help`."""

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from deployments.bench.measure import Bench, Sizes
from deployments.bench.ratios import ratios_of, table, whereabouts
from deployments.bench.site import opened_site
from deployments.demo.layout import CHECKOUT
from deployments.engines.folder import alone_or_refused
from odoo_ops.errors import OdooOpsError

_PLACE = CHECKOUT / ".demo" / "bench"
_MEGABYTE = 1_000_000
_INTERRUPTED = 130

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    database_mb: Annotated[int, typer.Option(min=20, help="Size of the database in PostgreSQL (MB).")] = 100,
    filestore_mb: Annotated[int, typer.Option(min=10, help="Size of the whole filestore (MB).")] = 300,
    files: Annotated[int, typer.Option(min=100, help="Files in the whole filestore.")] = 4000,
    repeat: Annotated[int, typer.Option(min=1, help="Measure everything so often; medians are shown.")] = 1,
    json: Annotated[Path | None, typer.Option(help="File that gets the ratios.")] = None,
    *,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Change rows all over their tables: the worst case.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the data in .demo/bench.")] = False,
) -> None:
    """Our backup and restore beside pg_dump, tar and pg_restore, on data grown to size under .demo/bench."""
    sizes = Sizes(
        database_bytes=database_mb * _MEGABYTE,
        filestore_bytes=filestore_mb * _MEGABYTE,
        files=files,
        repeat=repeat,
        anywhere=anywhere,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with (
            alone_or_refused(_PLACE.with_name(".bench.lock"), f"A benchmark runs in {_PLACE}.", patience_seconds=1),
            opened_site(_PLACE, keep=keep) as site,
        ):
            measured = Bench(site, sizes, typer.echo).run()
    except OdooOpsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\nInterrupted. What the benchmark had started was ended.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    if json:
        json.write_text(ratios_of(measured).model_dump_json(indent=1) + "\n")
    typer.echo(f"\n{table(sizes, measured)}\n\n{whereabouts(measured)}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    app(prog_name="python -m deployments.bench")
