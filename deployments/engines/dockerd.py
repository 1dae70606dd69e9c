"""A Docker engine of our own, for root: it runs while somebody uses it, and ends with the last user.

All that it stores is in one folder, images too, so the next start finds them. Its sockets are in a folder of /run
with a short name: the path of a socket may have 107 bytes. `python -m deployments.engines.dockerd FOLDER` is the
guard, which starts the engine and ends it.

Who uses the engine shares the lock of the file `users`; the guard ends the engine once it has that lock alone.
So a user that is killed counts as gone, and one that comes meanwhile waits and starts it anew.

Like every dockerd it leaves its bridge and its chains in the packet filter behind when it ends.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.engines.folder import alone, try_lock
from deployments.engines.process import run
from odoo_ops.errors import CommandFailed, OdooOpsError, PreconditionFailed

_SUPERUSERS_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_RUNTIME = Path("/run/odoo-ops-docker")
_NETWORKS = "172.16.0.0/12"  # the range of Docker's own default, in smaller parts: by default it has 31 networks
_START_SECONDS = 60
_POLL_SECONDS = 0.3


def find_dockerd() -> Path | None:
    """The engine's program; None if the machine does not have it."""
    found = shutil.which("dockerd", path=f"{os.environ['PATH']}:{_SUPERUSERS_PATH}")
    return Path(found) if found else None


@contextmanager
def own_engine(folder: Path) -> Iterator[str]:
    """Have the engine of a folder running; start it if nobody else has.

    Yields:
        The address of its socket, for DOCKER_HOST.

    Raises:
        PreconditionFailed: the program is missing.
        CommandFailed: the engine did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with users_file(folder).open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        address = f"unix://{_runtime(folder) / 'docker.sock'}"
        with alone(folder / "start.lock"):
            if not answers(address):
                _start(folder, address)
        yield address


def answers(address: str | None = None) -> bool:
    """Whether an engine answers, and lets this user in; None: the one that Docker's command line finds by itself."""
    host = ["--host", address] if address else []
    try:
        run(["docker", *host, "version", "--format", "{{.Server.Version}}"])
    except OdooOpsError:
        return False
    return True


def guard(folder: Path) -> int:
    """Run the engine of a folder until nobody uses it any more. Returns its exit status."""
    with users_file(folder).open("a") as users:
        engine = subprocess.Popen(_command(folder))
        while engine.poll() is None and not try_lock(users):
            time.sleep(_POLL_SECONDS)
        engine.terminate()
        return engine.wait()


def _start(folder: Path, address: str) -> None:
    _write_configuration(folder, address)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deployments.engines.dockerd", folder],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    give_up = time.monotonic() + _START_SECONDS
    while not answers(address):
        if process.poll() is not None or time.monotonic() > give_up:
            raise _not_started(process.poll(), log)
        time.sleep(_POLL_SECONDS)


def _not_started(status: int | None, log: Path) -> OdooOpsError:
    said = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    if status is None:
        return PreconditionFailed(f"dockerd does not answer after {_START_SECONDS} s. Next step: read {log}.\n{said}")
    return CommandFailed("dockerd", status, said, where="this machine", hint=f"read {log}")


def _write_configuration(folder: Path, address: str) -> None:
    runtime = _runtime(folder)
    runtime.mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o711)  # whom the socket's own group lets in finds it
    settings = {
        "hosts": [address],
        "data-root": str(folder / "data"),
        "exec-root": str(runtime / "exec"),
        "pidfile": str(runtime / "pid"),
        "default-address-pools": [{"base": _NETWORKS, "size": 24}],
    }
    _configuration(folder).write_text(json.dumps(settings, indent=2))


def _command(folder: Path) -> list[str | Path]:
    program = find_dockerd()
    if program is None:
        raise PreconditionFailed("dockerd is missing. Next step: run `apt-get install docker.io` as root.")
    # when the guard is killed, the engine ends too
    return ["setpriv", "--pdeathsig", "TERM", program, "--config-file", _configuration(folder)]


def _configuration(folder: Path) -> Path:
    return folder / "daemon.json"


def users_file(folder: Path) -> Path:
    """File of which the users of a folder's engine share the lock."""
    return folder / "users"


def _runtime(folder: Path) -> Path:
    return _RUNTIME / hashlib.sha256(bytes(folder.resolve())).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1])))
