"""The JSON schema of a block's class, made once."""

from copy import deepcopy
from typing import Any

from prefect.blocks.core import Block

_MADE: dict[object, dict[str, Any]] = {}


class SchemaMadeOnce(Block):
    """A base for blocks: Prefect asks for their schema each time one is read, and a dozen times when it is saved.

    For an environment, to make it takes a tenth of a second.
    """

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as Block has them
        """As `Block.model_json_schema`. Prefect changes what it is given: each caller gets its own."""
        key = (cls, arguments, tuple(options.items()))
        if key not in _MADE:  # no `functools.cache`: the class asks for it while it is made
            _MADE[key] = super().model_json_schema(*arguments, **options)
        return deepcopy(_MADE[key])
