"""Texts that a program wants as files (a private key): in memory, readable by its user alone, never on a disk.

They are gone with the agent, however it ends.
"""

import os


def place_files(
    files: dict[str, str], argv: list[str], environment: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Put the texts in memory and their paths in place of `%name%` in arguments and variables.

    The paths lead through this process, for as long as it lives; no child inherits the files themselves.
    """
    for name, text in files.items():
        descriptor = os.memfd_create(name)
        os.fchmod(descriptor, 0o600)
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)
        path, token = f"/proc/{os.getpid()}/fd/{descriptor}", f"%{name}%"
        argv = [argument.replace(token, path) for argument in argv]
        environment = {key: value.replace(token, path) for key, value in environment.items()}
    return argv, environment
