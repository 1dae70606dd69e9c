"""What the versions of Docker and Compose on a machine mean for a project; both as they say them themselves."""

import re

from odoo_ops.errors import Refused


def refuse_old_docker(engine: str, compose: str, host: str) -> None:
    """Raise Refused for versions of Docker or Compose on which the projects were never tried."""
    old = [
        f"{name} is {said.strip()}, and {'.'.join(map(str, least))} is needed"
        for name, said, least in (("Docker", engine, (20, 10)), ("Compose", compose, (2, 20)))
        if _numbers(said) < least
    ]
    if old:
        raise Refused(f"On {host} {' and '.join(old)}. Nothing was changed. Next step: install newer ones there.")


def has_start_interval(engine: str, compose: str) -> bool:
    """Whether a health check may come more often while its service starts.

    With an older Docker, Compose refuses a file that asks for it; an older Compose does not pass it on.
    """
    return _numbers(engine) >= (25,) and _numbers(compose) >= (2, 24)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
