"""Which field of the model a path of a file leads to."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from deployments.environment_files.mistakes import KeyPath


def is_secret(field: FieldInfo) -> bool:
    """Whether a field holds a secret."""
    return SecretStr in _parts(field.annotation)


def model_of(field: FieldInfo, data: object) -> type[BaseModel] | None:
    """The model into which data of this field is read; of several, the one that its `kind` names."""
    models = models_of(field)
    if len(models) == 1:
        return models[0]
    kind = data.get("kind") if isinstance(data, dict) else None
    return next((model for model in models if kind and model.model_fields["kind"].default == kind), None)


def models_of(field: FieldInfo | None) -> list[type[BaseModel]]:
    """All models that may stand in a field."""
    if field is None:
        return []
    return [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def field_at(model: type[BaseModel], path: KeyPath, data: Any) -> FieldInfo | None:  # noqa: ANN401 - from a file
    """The field to which a path leads, or None where the model has none."""
    field: FieldInfo | None = None
    inner: type[BaseModel] | None = model
    for key in path:
        if isinstance(key, int):
            continue
        field = inner.model_fields.get(key) if inner else None
        if field is None:
            return None
        data = data.get(key) if isinstance(data, dict) else None
        inner = model_of(field, data)
    return field


def _parts(annotation: object) -> Iterator[object]:
    """The types of which an annotation is made."""
    arguments = get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _parts(argument)
