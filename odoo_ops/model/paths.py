"""Paths on a host: absolute, without `..`, so that they mean the same from everywhere."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator


def _absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or "\0" in value or str(path) == "/":
        raise ValueError(f"{value!r} is not an absolute path below / (write it in full, without '..')")
    return str(path)


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
