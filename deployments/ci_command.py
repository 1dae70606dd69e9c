"""The command `odoo-ops render-ci`."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.ci_files import rendered_ci, write_ci
from deployments.command_line import errors_told
from odoo_ops.model.pipelines import Forge, Pipeline

_DEFAULTS = Pipeline()
_FAILED = 2


def render_ci(
    forge: Annotated[Forge, typer.Argument(help="Whose CI it is.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="File, or folder of the repository: there the forge's own place. Default: only print it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of other content.")] = False,
    series: Annotated[str, typer.Option(help="Odoo's.")] = _DEFAULTS.series,
    odoo_image: Annotated[str, typer.Option(help="The addons are tested in it. Default: odoo:SERIES.")] = "",
    postgres_image: Annotated[str, typer.Option(help="As the official postgres.")] = _DEFAULTS.postgres_image,
    python_image: Annotated[str, typer.Option(help="For the lint and the call.")] = _DEFAULTS.python_image,
    pylint_odoo: Annotated[str, typer.Option(help="Version of pylint-odoo.")] = _DEFAULTS.pylint_odoo,
    pip_audit: Annotated[str, typer.Option(help="Version of pip-audit.")] = _DEFAULTS.pip_audit,
    check: Annotated[
        list[str] | None,
        typer.Option(help="Command of the repository's own for the lint; fails by its status. May be repeated."),
    ] = None,
    branch: Annotated[
        list[str] | None, typer.Option(help="Its pushes are built and told. May be repeated. Default: main.")
    ] = None,
    tags: Annotated[bool, typer.Option("--tags", help="Every tag is built and told, too.")] = False,
    addons: Annotated[
        list[str] | None,
        typer.Option(help="Another folder of addons, a submodule or one in Odoo's image; not tested. May be repeated."),
    ] = None,
    submodules: Annotated[bool, typer.Option("--submodules", help="Fetch the repository's submodules.")] = False,
    image: Annotated[str, typer.Option(help="Build the repository's Dockerfile and push it as IMAGE:COMMIT.")] = "",
    call: Annotated[bool, typer.Option("--call/--no-call", help="Call odoo-ops' webhook after green tests.")] = True,
) -> None:
    """Print or write the CI of an addons repository: lint, test on a real PostgreSQL, build if asked, call odoo-ops."""
    wanted = {
        "series": series,
        "odoo_image": odoo_image or None,
        "postgres_image": postgres_image,
        "python_image": python_image,
        "pylint_odoo": pylint_odoo,
        "pip_audit": pip_audit,
        "checks": tuple(check or ()),
        "branches": tuple(branch or _DEFAULTS.branches),
        "tags": tags,
        "addons": tuple(addons or ()),
        "submodules": submodules,
        "image": image or None,
        "call": call,
    }
    with errors_told(_FAILED):
        text = rendered_ci(forge, **wanted)
        if output is None:
            typer.echo(text, nl=False)
            return
        file, changed = write_ci(forge, text, output, force=force)
    typer.echo(f"{file}: {'written; its first lines say which secrets it needs' if changed else 'is so already'}.")
