"""Read YAML and keep the line of every key.

Every scalar is read as text, and the model decides what it must be: so `version: 19.0` is not a number that
has lost its meaning, and a database may be called `no`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.environment_files.mistakes import KeyPath, Mistake, dotted

_MAP, _LIST, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "null"))
_TEXT = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp", "merge", "value")}
_DEEPEST = 12
_QUOTED = re.compile(r"(['\"])(.+?)\1")


@dataclass(frozen=True)
class Source:
    """The content of one file.

    Attributes:
        data: maps, lists, text and None.
        lines: the line of every key and list item.
    """

    file: str
    data: Any
    lines: Mapping[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of a path; of what would hold it, if it is not there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def mistake(self, path: KeyPath, text: str) -> Mistake:
        """A mistake at a path of this file."""
        return Mistake(self.file, self.line(path), dotted(path), text)


class _Reader:
    """Turns the nodes of one file into data."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []

    def read(self, node: yaml.Node | None, path: KeyPath = ()) -> Any:  # noqa: ANN401 - what YAML holds
        """The data of a node; what cannot be read becomes a mistake and None."""
        if node is None or node.tag == _NULL:
            return None
        if len(path) > _DEEPEST:
            return self._report(node, path, "is nested too deeply; does it hold itself?")
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._read_map(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _LIST:
            return [self._read_child(child, child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXT:
            return node.value
        return self._report(node, path, "has a YAML tag (`!…`); write it without one, or in quotes")

    def _read_map(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, value in node.value:
            name = key.value
            if not isinstance(name, str):
                self._report(key, path, "has a key that is not text")
            elif name in data:
                self._report(key, (*path, name), f"is written twice; the first is in line {first[name]}")
            else:
                first[name] = key.start_mark.line + 1
                data[name] = self._read_child(key, value, (*path, name))
        return data

    def _read_child(self, key: yaml.Node, value: yaml.Node, path: KeyPath) -> Any:  # noqa: ANN401 - as above
        self.lines[path] = key.start_mark.line + 1
        return self.read(value, path)

    def _report(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self.mistakes.append(Mistake(self.file, node.start_mark.line + 1, dotted(path), text))


def read_source(file: Path) -> tuple[Source | None, list[Mistake]]:
    """The content of a file, or None, and the mistakes in its YAML. Raises nothing for a bad file."""
    name = str(file)
    reader = _Reader(name)
    try:
        data = reader.read(yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
    except OSError as error:
        return None, [Mistake(name, 0, "", f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError:
        return None, [Mistake(name, 0, "", "cannot be read: it is not UTF-8 text")]
    except yaml.YAMLError as error:
        return None, [_syntax_mistake(name, error)]
    return Source(name, data, reader.lines), reader.mistakes


def _syntax_mistake(file: str, error: yaml.YAMLError) -> Mistake:
    """PyYAML's words without the words that it quotes from the file: they may be part of a secret."""
    mark = getattr(error, "problem_mark", None)
    said = [text for part in ("context", "problem") if (text := getattr(error, part, None))]
    said = said or ["it holds a character that YAML does not allow"]
    return Mistake(file, mark.line + 1 if mark else 0, "", f"is not YAML: {_QUOTED.sub(_harmless, ', '.join(said))}")


def _harmless(quoted: re.Match[str]) -> str:
    """Punctuation and names of tokens stay, words of the file do not."""
    return quoted[0] if re.fullmatch(r"\W+|\\t|<.*>", quoted[2]) else "…"
