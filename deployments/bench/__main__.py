"""Command line: `python -m deployments.bench --help`."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.bench.compose import measure_compose
from deployments.bench.data import Sizes
from deployments.bench.measure import Bench
from deployments.bench.ratios import heading, ratios_of, table, whereabouts
from deployments.bench.site import Site, opened_site
from deployments.command_line import errors_told, interruption_told
from deployments.demo.layout import CHECKOUT
from deployments.demo.show import Runtime
from deployments.engines.folder import alone_or_refused
from odoo_ops.model.base import Value

_PLACE = CHECKOUT / ".demo" / "bench"
_MEGABYTE = 1_000_000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    database_mb: Annotated[int, typer.Option(min=20, help="Size of the database in PostgreSQL (MB).")] = 100,
    filestore_mb: Annotated[int, typer.Option(min=10, help="Size of the whole filestore (MB).")] = 300,
    files: Annotated[int, typer.Option(min=100, help="Files in the whole filestore.")] = 4000,
    repeat: Annotated[int, typer.Option(min=1, help="Measure everything so often; medians are shown.")] = 1,
    json: Annotated[Path | None, typer.Option(help="File that gets the ratios.")] = None,
    *,
    runtime: Annotated[
        Runtime, typer.Option(help="compose: our backup through a compose project beside the same without containers.")
    ] = Runtime.NATIVE,
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
    with (
        interruption_told("What the benchmark had started was ended."),
        errors_told(),
        alone_or_refused(_PLACE.with_name(".bench.lock"), f"A benchmark runs in {_PLACE}.", patience_seconds=1),
        opened_site(_PLACE, keep=keep) as site,
    ):
        ratios, told = (_compose if runtime is Runtime.COMPOSE else _native)(site, sizes)
    if json:
        json.write_text(ratios.model_dump_json(indent=1) + "\n")
    typer.echo(f"\n{told}")


def _native(site: Site, sizes: Sizes) -> tuple[Value, str]:
    measured = Bench(site, sizes, typer.echo).run()
    return ratios_of(measured), f"{table(sizes, measured)}\n\n{whereabouts(measured)}"


def _compose(site: Site, sizes: Sizes) -> tuple[Value, str]:
    nights = measure_compose(site, sizes, typer.echo)
    return nights.ratios(), f"{heading(sizes)}\n\n{nights.table()}"


if __name__ == "__main__":
    app(prog_name="python -m deployments.bench")
