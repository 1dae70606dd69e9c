"""What of a repository is released: a commit, and those that are merged into it, as one word.

`<commit>+<commit>…` is a commit with the others merged into it in this order, whatever the environment file says of
merges, and `<commit>+` is one with none; `<commit>` alone, where it is asked for, gets the merges of that file. All
characters of each are there, so whoever knows from where they come can make the same files again, on another host, too.
"""

import re

_REVISION = re.compile(r"(?:[0-9a-f]{64}|[0-9a-f]{40})(?:\+(?:[0-9a-f]{64}|[0-9a-f]{40}))*\+?")


def is_commit(word: str) -> bool:
    """Whether a word is one commit by all its characters (of sha1 or sha256)."""
    return is_exact(f"{word}+") and "+" not in word


def is_exact(word: str) -> bool:
    """Whether a word says a commit and all that is merged into it, even if that is nothing."""
    return "+" in word and _REVISION.fullmatch(word) is not None


def exactly(revision: str) -> str:
    """The word that asks for this revision and lets nothing else be merged into it."""
    return revision if "+" in revision else f"{revision}+"


def revision_of(commits: tuple[str, ...]) -> str:
    """The word, and the name of a folder, for a commit and those that are merged into it."""
    return "+".join(commits)


def commits_of(revision: str) -> tuple[str, ...]:
    """The commit and those that are merged into it."""
    return tuple(filter(None, revision.split("+")))


def shown_revision(revision: str) -> str:
    """The revision as people read it."""
    return " + ".join(commit[:12] for commit in commits_of(revision))
