"""Read one entry of a file into a value of the model, or say everything that is wrong with it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deployments.environment_files.fields import field_at, is_secret, model_of
from deployments.environment_files.mistakes import KeyPath, Mistake, did_you_mean
from deployments.environment_files.references import BadReferenceError, is_reference, read_secret, read_text
from deployments.environment_files.source import Source
from deployments.environment_files.wording import in_words
from odoo_ops.model.base import Value

ValueT = TypeVar("ValueT", bound=Value)


@dataclass
class EntryReader:
    """Reads the entry at one path of a file.

    Attributes:
        look: whether secrets are read, or only how they are written is checked.
        mistakes: what was found so far.
    """

    source: Source
    path: KeyPath
    look: bool
    mistakes: list[Mistake] = field(default_factory=list)
    # What comes from elsewhere is not repeated in a message, and what could not be read is reported once.
    _referenced: set[KeyPath] = field(default_factory=set)
    _unreadable: set[KeyPath] = field(default_factory=set)

    def read(self, model: type[ValueT], data: dict[str, Any]) -> ValueT | None:
        """The value, or None when the entry holds mistakes."""
        if "name" in data:
            self._report(("name",), "is already given by the key of this entry; delete the line")
        values = self._follow(model, {key: data[key] for key in data if key != "name"}, ())
        try:
            value = model.model_validate({"name": self.path[-1], **values})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._translate(model, detail, data)
            return None
        return None if self.mistakes else value

    def _follow(self, model: type[BaseModel], data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
        """The data with every reference replaced by what it names, without the fields that do not exist."""
        values: dict[str, Any] = {}
        for key, value in data.items():
            info, at = model.model_fields.get(key), (*path, key)
            if info is None:
                self._report(at, f"is not a field{did_you_mean(key, model.model_fields)}")
            elif is_secret(info) or is_reference(value):
                values[key] = self._referenced_value(value, at, secret=is_secret(info))
            elif isinstance(value, list):
                values[key] = [self._follow_into(info, item, (*at, number)) for number, item in enumerate(value)]
            else:
                values[key] = self._follow_into(info, value, at)
        return values

    def _follow_into(self, info: FieldInfo, value: Any, at: KeyPath) -> Any:  # noqa: ANN401 - whatever the file holds
        inner = model_of(info, value) if isinstance(value, dict) else None
        return self._follow(inner, value, at) if inner else value

    def _referenced_value(self, value: Any, at: KeyPath, *, secret: bool) -> SecretStr | str | None:  # noqa: ANN401
        self._referenced.add(at)
        try:
            if secret:
                return read_secret(value, look=self.look)
            return read_text(value, Path(self.source.file).parent)
        except BadReferenceError as error:
            self._unreadable.add(at)
            self._report(at, str(error))
            return None

    def _translate(self, model: type[Value], error: ErrorDetails, data: dict[str, Any]) -> None:
        path = _without_kinds(error["loc"], data)
        info = field_at(model, path, data)
        if error["type"].startswith("union_tag"):
            path = (*path, "kind")
        if path in self._unreadable:
            return
        if path in self._referenced and error["type"] == "value_error":
            self._report(path, "what the file holds is not valid here")
        elif path == ("name",):
            self._report((), f"as a name {in_words(error, None)}")
        else:
            self._report(path, in_words(error, info))

    def _report(self, path: KeyPath, text: str) -> None:
        self.mistakes.append(self.source.mistake((*self.path, *path), text))


def _without_kinds(location: KeyPath, data: Any) -> KeyPath:  # noqa: ANN401 - whatever the file holds
    """Pydantic's location without the kinds of unions, which stand in no file."""
    path: list[str | int] = []
    for key in location:
        if isinstance(data, dict) and key not in data and key == data.get("kind"):
            continue
        path.append(key)
        if isinstance(data, dict):
            data = data.get(str(key))
    return tuple(path)
