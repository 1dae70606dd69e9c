"""Say in plain words what pydantic found. The value itself is never repeated: it may be a secret."""

import re
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from deployments.environment_files.fields import models_of
from deployments.environment_files.mistakes import did_you_mean

PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "may hold only small letters, digits and dashes",
    r"^[a-z0-9][a-z0-9_-]*$": "may hold only small letters, digits, dashes and underscores",
    r"^\d{2}\.\d$": "must be an Odoo series, such as 19.0",
    r"^https?://": "must begin with http:// or https://",
    r"^[A-Za-z0-9@:._-]+$": "may hold only letters, digits and @ : . _ -",
    r"^[A-Za-z0-9.:_-]+$": "may hold only letters, digits and : . _ -",
    r"^[A-Za-z0-9._-]+$": "may hold only letters, digits and . _ -",
    r"^[^:]+$": "may hold no colon",
    r"^[A-Za-z0-9._/-]*$": "may hold only letters, digits and . _ / -",
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": "must be a name of 3 to 63 small letters, digits, dots and dashes",
    r"^[a-z0-9][A-Za-z0-9._/:-]*(@sha256:[0-9a-f]{64})?$": "must be an image, such as odoo:19.0, or odoo:19.0@sha256:… "
    "with all 64 digits",
    r"^https?://[a-z0-9.-]+(:[0-9]+)?$": "must be a site without a path, such as https://shop.example.com",
    r"^https?://[^/]+/?$": "must be http:// or https:// and a host, with nothing behind it",
    r"-----BEGIN CERTIFICATE-----": "must hold certificates as text (PEM); {from_file: /path} reads them from a file",
    r"^https://[^\s/]+/\S*$": "must be an address with https:// and a path, such as https://ca.example.com/acme/directory",
    r"^[^@\s]+@[^@\s]+$": "must be an address for mail, such as it@example.com",
    r"^(https?|ssh)://\S+$|^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:\S+$": "must be a git repository's address, such as "
    "ssh://git@git.example.com/ours.git or https://git.example.com/ours.git",
    r"^/\S*$": "must be a path that begins with /, and hold no blank",
    r"^[a-z0-9_.]+$": "must be a model, such as sale.order",
    r"^\S+$": "may hold no blank",
    r"^https?://[^\s?#]+$": "must begin with http:// or https:// and hold no ?, # or blank",
}

_WORDS = {
    "model_type": "must be a map: one `field: value` in each line below it",
    "model_attributes_type": "must be a map: one `field: value` in each line below it",
    "tuple_type": "must be a list: [first, second]",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "too_short": "is too short; it needs at least {min_length}",
    "value_error": "{error}",
}


def in_words(error: ErrorDetails, field: FieldInfo | None) -> str:
    """What is wrong at a field, and how to write it."""
    limits: dict[str, Any] = error.get("ctx", {})
    match error["type"], error["input"]:
        case "missing", _:
            return f"is missing. {meaning(field)}"
        case _, None:
            return "is empty; write a value, or delete the line"
        case "string_pattern_mismatch", _:
            return PATTERNS.get(limits["pattern"], f"must match {limits['pattern']}")
        case "literal_error" | "union_tag_invalid", written:
            return _one_of(_choices(limits, field), limits.get("tag", written))
        case "union_tag_not_found", _:
            return f"is missing. Write one of {', '.join(_choices(limits, field))}"
        case kind, _:
            return _WORDS[kind].format(**limits) if kind in _WORDS else error["msg"]


def meaning(field: FieldInfo | None) -> str:
    """What a field is for: its description, or else that of the model that stands in it."""
    if field is None:
        return ""
    documents = [cleandoc(model.__doc__ or "").partition("\n")[0] for model in models_of(field)]
    return field.description or " / ".join(documents)


def _choices(limits: dict[str, Any], field: FieldInfo | None) -> list[str]:
    if "expected" in limits:
        return re.findall(r"'([^']*)'", limits["expected"])
    return [model.model_fields["kind"].default for model in models_of(field)]


def _one_of(choices: Sequence[str], written: object) -> str:
    return f"must be one of {', '.join(choices)}{did_you_mean(str(written), choices)}"
