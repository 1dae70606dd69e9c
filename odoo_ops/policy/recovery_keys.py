"""Passwords of repositories that are typed from paper, and the proof that the paper is there."""

import hashlib
from collections.abc import Callable, Iterable

from odoo_ops.model.checks import Check

# without 0 and O, 1, I and L, and U, which is taken for V
ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP = 9, 4  # 176 bits
_CHECK_CHARACTERS = 8

KEPT = "Encryption key is kept elsewhere"
OFFSITE_KEPT = "Encryption key of the off-site copies is kept elsewhere"


def new_password(choose: Callable[[str], str]) -> str:
    """Nine groups of four characters, each one chosen at random by `choose`."""
    return "-".join("".join(choose(ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


def check_characters(repository: str, password: str) -> str:
    """Eight characters that are printed beside a password: whoever can say them holds the sheet."""
    digest = _digest(repository, password)
    text = "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:_CHECK_CHARACTERS])
    return f"{text[:_GROUP]}-{text[_GROUP:]}"


def kept_mark(repository: str, password: str) -> str:
    """What is stored once a key is confirmed. Another password has another one, and the sheet does not show it."""
    return _digest(repository, password)[_CHECK_CHARACTERS:].hex()


def same_characters(typed: str, printed: str) -> bool:
    """Whether the same was typed, however it was spaced."""
    return _bare(typed) == _bare(printed)


def kept_variable(repository: str) -> str:
    """Name of the Prefect variable that holds the mark."""
    return f"odoo-ops-key-kept-{repository}"


def judge_kept(repositories: Iterable[tuple[str, str, bool | None]]) -> list[Check]:
    """One check for each repository: the check's name, the repository's, and whether its key was confirmed.

    None: that is not known, as Prefect's server does not answer.
    """
    return [_judge_kept(name, repository, kept=kept) for name, repository, kept in repositories]


def _judge_kept(name: str, repository: str, *, kept: bool | None) -> Check:
    if kept:
        return Check(name=name, outcome="passed", detail=f"confirmed for {repository}")
    if kept is None:
        return Check(name=name, outcome="not measured", detail="Prefect's server, which knows it, does not answer")
    return Check(
        name=name,
        outcome="not measured",
        detail="not confirmed: without it no backup can be read when this server is lost. "
        f"Next step: `odoo-ops keys confirm {repository}`",
    )


def _bare(text: str) -> str:
    return "".join(text.upper().replace("-", " ").split())


def _digest(repository: str, password: str) -> bytes:
    """A slow digest, as restic's own is: one that is seen by others must not help to guess a weak password."""
    salt = f"odoo-ops recovery sheet of {repository}".encode()
    return hashlib.scrypt(password.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 1024**2, dklen=32)
