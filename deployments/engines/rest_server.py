"""restic's rest-server: the machine's own, else the one of Debian 13. For tests."""

from pathlib import Path

from deployments.engines.debian_program import DebianProgram
from deployments.engines.process import run


def rest_server_version(program: Path) -> str:
    """What it says of its version."""
    return run([program, "--version"]).strip()


_REST_SERVER = DebianProgram(
    name="rest-server",
    package="restic-rest-server",
    fits=lambda program: bool(rest_server_version(program)),
    otherwise="install restic's rest-server so that it is found on PATH",
)
find_rest_server, install_rest_server = _REST_SERVER.find, _REST_SERVER.install
