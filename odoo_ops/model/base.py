"""The base of every value in the model."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen pydantic value that accepts no unknown field; an error does not repeat what may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
