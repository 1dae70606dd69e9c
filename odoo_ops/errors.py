"""The exception tree. A message says what happened, where, and what to do next.

OdooOpsError
 ├── TransientError            worth another try: a lost connection, a lock that will be free
 │    └── RateLimited            the other side wants to be left alone for so many seconds
 └── PermanentError            the same call fails again
      ├── InvalidConfiguration   mistakes in files or fields, all of them at once
      ├── PreconditionFailed     the world is not as the step needs it; nothing was changed
      ├── Refused                a fence: the step would act on the wrong thing
      ├── CommandFailed          a process ended with a status other than 0
      └── VerificationFailed     what was made is not what it must be
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "CommandFailed",
    "InvalidConfiguration",
    "OdooOpsError",
    "PermanentError",
    "PreconditionFailed",
    "RateLimited",
    "Refused",
    "TransientError",
    "VerificationFailed",
]


class OdooOpsError(Exception):
    """Root of all errors that this project raises on purpose."""

    @property
    def next_step(self) -> str:
        """What the message advises, and all that it says after that; empty where it advises nothing."""
        return str(self).partition("Next step: ")[2]

    def say_first(self, words: str) -> None:
        """Let the message begin with these words: how it stands, before what went wrong."""
        self.args = (f"{words} {self}",)

    def also_say(self, words: str) -> None:
        """Let the message go on with these words: how it stands since the error was raised."""
        said = str(self).rstrip()
        self.args = (f"{said}{'' if said.endswith('.') else '.'} {words}",)


class TransientError(OdooOpsError):
    """Worth another try: a lost connection, a host that does not answer, a lock held for a moment."""


class RateLimited(TransientError):
    """The other side was asked too often.

    Attributes:
        seconds: how long it wants to be left alone.
    """

    def __init__(self, message: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


class PermanentError(OdooOpsError):
    """The same call would fail again."""


class InvalidConfiguration(PermanentError):
    """Files or fields hold mistakes; all of them are listed.

    Attributes:
        mistakes: one line each, `file:line: field: what is wrong`.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = list(mistakes)
        noun = "mistake" if len(self.mistakes) == 1 else "mistakes"
        super().__init__(f"{len(self.mistakes)} {noun}:\n" + "\n".join(f"  {line}" for line in self.mistakes))


class PreconditionFailed(PermanentError):
    """The world is not as the step needs it. Nothing was changed."""


class Refused(PermanentError):
    """A fence held: the step would have acted on the wrong environment, database or host."""


class CommandFailed(PermanentError):
    """A process on a host ended with a status other than 0.

    Attributes:
        command: the command as it may be shown (secrets are not part of it).
        exit_status: the process's exit status; negative: ended by that signal.
        output: its last lines, stderr last.
        hint: the next step, or "" where there is none.
    """

    def __init__(self, command: str, exit_status: int, output: str, *, where: str, hint: str = "") -> None:
        self.command = command
        self.exit_status = exit_status
        self.output = output
        self.where = where
        self.hint = hint
        ended = f"was ended by signal {-exit_status}" if exit_status < 0 else f"ended with status {exit_status}"
        message = f"`{command}` {ended} on {where}."
        if output:
            message += f" It said:\n{output.strip()}"
        if hint:
            message += f"\nNext step: {hint}"
        super().__init__(message)


class VerificationFailed(PermanentError):
    """What was made is not what it must be. It was not published."""
