"""Follow `{from_env: NAME}` and `{from_file: /path}`: the files name secrets and never hold them."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

_REFERENCE = "write {from_env: NAME} or {from_file: /path}"

_LONGEST_BYTES = 64 * 1024
# Capital letters only: a secret that is written in place of a name is then not taken, and shown, as one.
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_NOT_LOOKED_AT = SecretStr("this secret is not looked at")


class BadReferenceError(Exception):
    """A reference that cannot be followed. Says why, and never what it would have held."""


def is_reference(value: object) -> bool:
    """Whether a value of a file names where the real value is."""
    return isinstance(value, dict) and not value.keys().isdisjoint({"from_env", "from_file"})


def read_secret(value: Any, *, look: bool) -> SecretStr | None:  # noqa: ANN401 - whatever the file holds
    """The secret that a reference names; None where nothing is written.

    Args:
        value: what the file holds for a secret field.
        look: False checks only how the reference is written and returns a placeholder.

    Raises BadReferenceError for a literal, a badly written reference, or one that leads nowhere.
    """
    match value:
        case None:
            return None
        case {"from_env": str(name), **rest} if not rest:
            _check_variable_name(name)
            return SecretStr(_variable(name)) if look else _NOT_LOOKED_AT
        case {"from_file": str(path), **rest} if not rest:
            if not Path(path).is_absolute():
                raise BadReferenceError("from_file takes the full path of a file, from / on")
            return SecretStr(_text_of(Path(path))) if look else _NOT_LOOKED_AT
        case dict():
            raise BadReferenceError(f"is a secret; {_REFERENCE}, and nothing else")
        case _:
            raise BadReferenceError(f"is a secret and must not stand in this file; {_REFERENCE}")


def read_text(value: dict[str, Any], folder: Path) -> str:
    """The text that a reference in an ordinary field names; a relative path starts at the file's folder.

    Raises BadReferenceError for anything but `{from_file: path}`, and for a file that cannot be read.
    """
    match value:
        case {"from_file": str(path), **rest} if not rest:
            return _text_of(folder / path)
        case _:
            raise BadReferenceError("is not a secret; write the text itself or {from_file: path}")


def _check_variable_name(name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise BadReferenceError("from_env takes the name of a variable: capital letters, digits and underscores")


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise BadReferenceError(f"the environment variable {name} is not set; set it where you run this command")
    if not value:
        raise BadReferenceError(f"the environment variable {name} is empty")
    return value


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise BadReferenceError(f"the file {path} cannot be read: {error.strerror}") from error
    except ValueError:
        raise BadReferenceError(f"the file {path} is not UTF-8 text") from None
    if len(content) > _LONGEST_BYTES:
        raise BadReferenceError(f"the file {path} is larger than {_LONGEST_BYTES // 1024} KiB")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise BadReferenceError(f"the file {path} is empty")
    return text
