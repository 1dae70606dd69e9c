"""Gather the entries of all files of a folder by section and name."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.environment_files.mistakes import KeyPath, Mistake, did_you_mean
from deployments.environment_files.source import Source, read_source

SECTIONS = ("hosts", "repositories", "environments", "webhooks")


@dataclass(frozen=True)
class Entry:
    """What one file says under one name.

    Attributes:
        data: its fields; None when it is not a map, which is then reported already.
    """

    source: Source
    path: KeyPath
    data: dict[str, Any] | None


@dataclass
class Catalog:
    """The entries of a folder, and what is wrong with how its files are laid out."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    mistakes: list[Mistake] = field(default_factory=list)

    def add_folder(self, directory: Path) -> None:
        """Take in every file of a folder."""
        files = environment_files(directory)
        if not files:
            what = "holds no *.yaml file; describe an environment there" if directory.is_dir() else "is not a folder"
            self.mistakes.append(Mistake(str(directory), 0, "", what))
        for file in files:
            source, mistakes = read_source(file)
            self.mistakes += mistakes
            if source:
                self._add_file(source)

    def _add_file(self, source: Source) -> None:
        sections = self._map(source, (), source.data, f"must be a map with the keys {', '.join(SECTIONS)}")
        for section, names in (sections or {}).items():
            path = (section,)
            if section not in SECTIONS:
                text = f"is not one of {', '.join(SECTIONS)}{did_you_mean(section, SECTIONS)}"
                self.mistakes.append(source.mistake(path, text))
                continue
            for name, data in (self._map(source, path, names, "must be a map of names") or {}).items():
                self._add_entry(source, section, name, data)

    def _add_entry(self, source: Source, section: str, name: str, data: object) -> None:
        path = (section, name)
        known = self.entries[section]
        if name in known:
            first = known[name].source
            text = f"is described in {first.file}:{first.line(path)} already; names are unique over all files"
            self.mistakes.append(source.mistake(path, text))
            return
        # Nothing at all is a map of nothing: `here:` is a host, the worker's own machine.
        fields = {} if data is None else self._map(source, path, data, "must be a map of fields")
        known[name] = Entry(source, path, fields)

    def _map(self, source: Source, path: KeyPath, data: object, otherwise: str) -> dict[str, Any] | None:
        """A map as it is; for anything else but nothing at all, a mistake."""
        if isinstance(data, dict):
            return data
        if data is not None:
            self.mistakes.append(source.mistake(path, otherwise))
        return None


def environment_files(directory: Path) -> list[Path]:
    """The files of a folder that describe environments, by name; hidden ones are an editor's."""
    return sorted(
        file for file in directory.glob("*") if file.suffix in {".yaml", ".yml"} and not file.name.startswith(".")
    )
