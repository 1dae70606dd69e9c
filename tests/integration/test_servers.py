"""Processes that are known again by their pid files."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from odoo_ops.adapters.host import HostAdapter
from odoo_ops.model.host import Host

_PYTHON, _CONFIG = sys.executable, "/etc/odoo/odoo.conf"


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """That of a process with these words, written long before it began, as before a reboot."""
    words = [_PYTHON, "-c", "import time; time.sleep(600)", _CONFIG]
    process = subprocess.Popen(words)
    file = tmp_path / "odoo.pid"
    file.write_text(str(process.pid))
    long_ago = time.time() - 3600
    os.utime(file, (long_ago, long_ago))
    yield file
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("start", "ours"),
    [
        ([_PYTHON, "/opt/odoo/odoo-bin", "-c", _CONFIG], True),
        ([_PYTHON, "/opt/odoo/odoo-bin", "-c", "/etc/odoo/other.conf"], False),
    ],
)
def test_younger_process_is_ours_only_by_a_word_that_tells_it_apart(
    pid_file: Path, start: list[str], *, ours: bool
) -> None:
    """Many programs are run by Python, or with an option of that name."""
    found = HostAdapter(Host(name="here")).call("process_running", pid_file=str(pid_file), start=start)
    assert found == (int(pid_file.read_text()) if ours else None)
