"""Run one program of this machine to its end."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from odoo_ops.errors import CommandFailed, PreconditionFailed, TransientError

_TIME_LIMIT_SECONDS = 1800


def run(
    argv: Sequence[str | Path],
    *,
    working_directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    hint: str = "",
) -> str:
    """Return what the program wrote to its standard output.

    Args:
        argv: program and arguments; no secrets.
        working_directory: where it runs; None: here.
        environment: its whole environment; None: this process's.
        hint: the next step to name when it fails.

    Raises:
        PreconditionFailed: this machine does not have the program, or may not run it.
        CommandFailed: it ended with a status other than 0.
        TransientError: it did not end within half an hour.
    """
    words = [str(word) for word in argv]
    shown = shlex.join(words)
    try:
        done = subprocess.run(
            words,
            cwd=working_directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIME_LIMIT_SECONDS,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise PreconditionFailed(
            f"`{shown}` cannot run: {error.strerror}: {error.filename}. Next step: {hint or 'install what is missing'}."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TransientError(
            f"`{shown}` did not end within {_TIME_LIMIT_SECONDS} s and was killed. "
            "Next step: look at the network and the disk, then try again."
        ) from error
    if done.returncode:
        raise CommandFailed(shown, done.returncode, done.stdout + done.stderr, where="this machine", hint=hint)
    return done.stdout
