"""Read a folder of environment files: all that they describe, or all that is wrong with them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from deployments.environment_files.catalog import Catalog, Entry
from deployments.environment_files.entries import EntryReader
from deployments.environment_files.mistakes import Mistake, did_you_mean
from deployments.environment_files.rules import Described, broken_rules, machine_of
from odoo_ops.errors import InvalidConfiguration
from odoo_ops.model.base import Value
from odoo_ops.model.environment import Environment
from odoo_ops.model.host import Host, OpenHost
from odoo_ops.model.repository import OpenRepository
from odoo_ops.model.webhooks import Source
from odoo_ops.policy.webhooks import why_nothing_is_released

ValueT = TypeVar("ValueT", bound=Value)

_LINKS = {"host": "hosts", "repository": "repositories", "offsite": "repositories"}


class PlacedEnvironment(Environment):
    """An environment as a file describes it: with the names of its host and its repositories."""

    host: str = Field(description="Name of an entry under `hosts`.")
    repository: str = Field(description="Name of an entry under `repositories`.")
    offsite: str | None = Field(
        default=None, description="Name of another entry under `repositories`: copies of its backups go there."
    )

    @property
    def settings(self) -> Environment:
        """The environment itself."""
        return Environment(**{name: getattr(self, name) for name in Environment.model_fields})


class Configuration(Value):
    """What the files of a folder describe, by name."""

    hosts: Mapping[str, OpenHost]
    repositories: Mapping[str, OpenRepository]
    environments: Mapping[str, PlacedEnvironment]
    webhooks: Mapping[str, Source]


def load(directory: Path, *, look: bool = True) -> Configuration:
    """Read all environment files of a folder; those in folders below it are left alone.

    Args:
        directory: the folder with `*.yaml` files.
        look: False checks only how secrets are referred to, reads none and puts placeholders in their place.

    Raises InvalidConfiguration with every mistake, each with its file and line.
    """
    catalog = Catalog()
    catalog.add_folder(directory)
    mistakes = catalog.mistakes
    hosts = _read(catalog.entries["hosts"], OpenHost, mistakes, look=look)
    repositories = _read(catalog.entries["repositories"], OpenRepository, mistakes, look=look)
    environments = _read(catalog.entries["environments"], PlacedEnvironment, mistakes, look=look)
    webhooks = _read(catalog.entries["webhooks"], Source, mistakes, look=look)
    mistakes += _broken_links(catalog)
    mistakes += _broken_rules_of_webhooks(catalog, webhooks, environments)
    mistakes += broken_rules([_described(catalog, environment, hosts) for environment in environments.values()])
    if mistakes:
        raise InvalidConfiguration([str(mistake) for mistake in sorted(set(mistakes))])
    return Configuration(hosts=hosts, repositories=repositories, environments=environments, webhooks=webhooks)


def _read(
    entries: Mapping[str, Entry], model: type[ValueT], mistakes: list[Mistake], *, look: bool
) -> dict[str, ValueT]:
    """The entries that hold no mistake."""
    values = {}
    for name, entry in entries.items():
        if entry.data is None:
            continue
        reader = EntryReader(entry.source, entry.path, look=look)
        value = reader.read(model, entry.data)
        mistakes += reader.mistakes
        if value is not None:
            values[name] = value
    return values


def _broken_links(catalog: Catalog) -> Iterator[Mistake]:
    """Hosts and repositories that environments name and no file describes."""
    for entry in catalog.entries["environments"].values():
        for key, section in _LINKS.items():
            name, known = (entry.data or {}).get(key), catalog.entries[section]
            if isinstance(name, str) and name not in known:
                text = f"{name!r} is not described under `{section}` in any file{did_you_mean(name, known)}"
                yield entry.source.mistake((*entry.path, key), text)


def _broken_rules_of_webhooks(
    catalog: Catalog, webhooks: Mapping[str, Source], environments: Mapping[str, PlacedEnvironment]
) -> Iterator[Mistake]:
    """Environments that rules of webhook sources name and no file describes, or to which nothing is released so."""
    known = catalog.entries["environments"]
    for source in webhooks.values():
        entry = catalog.entries["webhooks"][source.name]
        for number, rule in enumerate(source.rules):
            place = (*entry.path, "rules", number, "environments")
            for name in (name for name in rule.environments if name not in known):
                text = f"{name!r} is not described under `environments` in any file{did_you_mean(name, known)}"
                yield entry.source.mistake(place, text)
            for name in (name for name in rule.environments if name in environments):
                if why := why_nothing_is_released(environments[name], rule.image):
                    yield entry.source.mistake(place, why)


def _described(catalog: Catalog, environment: PlacedEnvironment, hosts: Mapping[str, Host]) -> Described:
    host = hosts.get(environment.host)
    machine = machine_of(host) if host else f"host {environment.host}"
    return Described(environment, machine, catalog.entries["environments"][environment.name].source)
