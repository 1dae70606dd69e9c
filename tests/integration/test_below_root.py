"""Foreign code is run as another user where agents are root: by real processes of this machine, and by a real sshd."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_user import PYTHON
from real_sshd import RealSshd

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.errors import PreconditionFailed
from odoo_ops.model.command import Command
from odoo_ops.model.host import Host

pytestmark = pytest.mark.usefixtures("as_root")

DAEMON = pwd.getpwnam("daemon")  # an account that every Debian has


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder of `daemon` where every user comes to."""
    with tempfile.TemporaryDirectory(prefix="odoo-ops-test-data-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder, "data")
        data.mkdir()
        os.chown(data, DAEMON.pw_uid, DAEMON.pw_gid)
        yield data


@pytest.fixture
def here() -> HostAdapter:
    return HostAdapter(Host(name="here", python=PYTHON))


def _says(host: HostAdapter, *words: str) -> str:
    return host.run(Command(argv=words)).stdout.strip()


def test_foreign_code_runs_as_the_owner_of_a_folder_and_with_nothing_of_roots(
    here: HostAdapter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOTS_OWN", "of the login")
    below = here.below_root(str(data))
    assert _says(below, "id", "-un") == "daemon"
    assert _says(below, "id", "-G").split() == [str(group) for group in os.getgrouplist("daemon", DAEMON.pw_gid)]
    assert _says(below, "sh", "-c", "echo $HOME $ROOTS_OWN") == DAEMON.pw_dir
    assert _says(here, "sh", "-c", "echo $ROOTS_OWN") == "of the login"
    below.call("write_text", path=str(data / "made"), text="")
    assert (data / "made").owner() == "daemon"
    with pytest.raises(PreconditionFailed, match=r"On here \(as daemon\), in write_text: .*Permission denied"):
        below.call("write_text", path=str(data.parent / "made"), text="")


def test_foreign_code_is_nobodys_where_no_folder_is_named(here: HostAdapter) -> None:
    assert _says(here.below_root(), "id", "-un") == "nobody"


def test_agents_stay_who_they_are_where_root_owns_the_folder_or_none_is_there(here: HostAdapter, data: Path) -> None:
    os.chown(data, 0, 0)
    assert here.below_root(str(data)) is here
    assert here.below_root(str(data / "nothing")) is here


@pytest.mark.sshd
def test_foreign_code_on_a_far_host_is_nobodys(sshd_program: Path, tmp_path: Path) -> None:
    with RealSshd.run(sshd_program, tmp_path) as server:
        far = HostAdapter(Host(name="far", connection=server.connection(), python=PYTHON))
        assert _says(far.below_root(), "id", "-un") == "nobody"


def test_owner_who_is_no_user_is_refused(here: HostAdapter, data: Path) -> None:
    os.chown(data, 54321, 54321)
    with pytest.raises(PreconditionFailed, match=f"{data} belongs to 54321, which is no user"):
        here.below_root(str(data))


def test_python_that_the_user_cannot_run_is_refused_with_the_next_step(data: Path) -> None:
    closed = data.parent / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").symlink_to(PYTHON)
    host = HostAdapter(Host(name="here", python=str(closed / "python")))
    said = rf"daemon on here, .* cannot run {closed}/python: .*Permission denied(?s:.)*Next step: name a Python"
    with pytest.raises(PreconditionFailed, match=said):
        host.below_root(str(data))
