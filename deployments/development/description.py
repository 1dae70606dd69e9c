"""What a developer wants, as one small file says it. No secret is in it, no host and no server of Prefect."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from deployments.environment_files.fields import field_at
from deployments.environment_files.mistakes import did_you_mean
from deployments.environment_files.source import Source, read_source
from deployments.environment_files.wording import in_words
from odoo_ops.errors import InvalidConfiguration
from odoo_ops.model.base import Value
from odoo_ops.model.provision import Port

_NOT_IN_PATHS = ",\n"  # odoo.conf parts folders by commas


def _place(value: object, info: ValidationInfo) -> object:
    """A path as the file means it: `~` is the developer's home, and what is relative is beside the file."""
    if not isinstance(value, str):
        return value
    if any(character in value for character in _NOT_IN_PATHS):
        raise ValueError("may hold no comma and no new line")
    context: dict[str, Path] = info.context or {}
    return (context["folder"] / Path(value).expanduser()).resolve()


def _without_blanks(folder: Path) -> Path:
    if any(character.isspace() for character in str(folder)):
        raise ValueError(f"{folder} has a blank in it, and programs of a virtual environment cannot; name another one")
    return folder


Place = Annotated[Path, BeforeValidator(_place)]
ModuleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class Development(Value):
    """An Odoo for development."""

    odoo: Place = Field(description="Odoo's source: a git checkout (with odoo-bin), or the folder of its package.")
    folder: Annotated[Path, BeforeValidator(_without_blanks), BeforeValidator(_place)] = Field(
        default=".odoo-dev", validate_default=True, description="All that is made is in it; it may be deleted."
    )
    python: str = Field(default="python3", min_length=1, description="The Python of the virtual environment.")
    requirements: tuple[Place, ...] = Field(
        default=(), description="Files of Python packages, beside the requirements.txt of a checkout of Odoo."
    )
    addons: tuple[Place, ...] = Field(default=(), description="Folders of addons.")
    database: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)] = Field(
        default="development", description="Name of the database."
    )
    modules: tuple[ModuleName, ...] = Field(
        default=("base",), min_length=1, description="Modules that a new database gets."
    )
    demo_data: bool = Field(default=False, description="A new database gets Odoo's demo data.")
    http_port: Port = Field(default=8069, description="Port on loopback where Odoo answers.")
    database_port: Port | None = Field(
        default=None, description="Port on loopback of its own PostgreSQL. Empty: a free one, kept from then on."
    )


def read_description(file: Path) -> Development:
    """What a file describes. Raises InvalidConfiguration with all of its mistakes, each with its line."""
    source, mistakes = read_source(file)
    if source is None or mistakes:
        raise InvalidConfiguration([str(mistake) for mistake in mistakes])
    data = source.data if isinstance(source.data, dict) else {}
    try:
        return Development.model_validate(data, context={"folder": file.absolute().parent})
    except ValidationError as error:
        found = (_mistake(source, data, detail) for detail in error.errors(include_url=False))
        raise InvalidConfiguration(list(found)) from None


def _mistake(source: Source, data: dict[str, Any], error: ErrorDetails) -> str:
    path = error["loc"]
    if error["type"] == "extra_forbidden":
        return str(source.mistake(path, f"is not a field{did_you_mean(str(path[-1]), Development.model_fields)}"))
    return str(source.mistake(path, in_words(error, field_at(Development, path, data))))
