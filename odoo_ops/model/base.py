"""The base of every value in the model."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen pydantic value that accepts no unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")
