"""One large attachment and very many small ones.

The sizes are small for CI. By hand: BIG_ATTACHMENT_MB=1000 TINY_ATTACHMENTS=200000.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from prefect.settings import PREFECT_API_URL

from flows.restore import restore
from tasks import progress

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_MIB = 1024 * 1024
_LARGE_BYTES = int(os.environ.get("BIG_ATTACHMENT_MB", "100")) * _MIB
_TINY_FILES = int(os.environ.get("TINY_ATTACHMENTS", "10000"))
# not ru_maxrss: after a fork it begins with the peak of the process that started this one
_BACKUP = """
import json, sys
from pathlib import Path
from flows.backup import backup
report = backup(sys.argv[1])
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
figures = {"files": report.files, "hashed": report.hashed_files, "peak": int(peak.split()[1]) * 1024}
Path(sys.argv[2]).write_text(json.dumps(figures))
"""


def _backup(site: Site) -> dict[str, int]:
    """Back up in a process of its own: files, hashed files, and the flow process's peak memory in bytes."""
    figures, begun = site.folder / "figures.json", time.monotonic()
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-c", _BACKUP, site.name, str(figures)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, int] = json.loads(figures.read_text())
    print(f"backup: {time.monotonic() - begun:.0f} s, {found}")  # noqa: T201 - to be read by hand (`pytest -s`)
    return found


def _attach_large(site: Site) -> None:
    digest, partial = hashlib.sha1(usedforsecurity=False), site.folder / "large"
    with partial.open("wb") as file:
        for _ in range(_LARGE_BYTES // _MIB):
            chunk = os.urandom(_MIB)
            digest.update(chunk)
            file.write(chunk)
    name = digest.hexdigest()
    (site.filestore / name[:2]).mkdir(exist_ok=True)
    partial.rename(site.filestore / name[:2] / name)
    _insert(site, [(name, _LARGE_BYTES)])


def _attach_tiny(site: Site) -> None:
    made = []
    for number in range(_TINY_FILES):
        content = f"tiny {number}".encode()
        name = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        (site.filestore / name[:2]).mkdir(exist_ok=True)
        (site.filestore / name[:2] / name).write_bytes(content)
        made.append((name, len(content)))
    _insert(site, made)


def _insert(site: Site, files: list[tuple[str, int]]) -> None:
    query = "COPY ir_attachment (name, store_fname, checksum, file_size, res_model, res_id) FROM STDIN"
    with site.connect() as connection, connection.cursor().copy(query) as copy:
        for name, size in files:
            copy.write_row(("file", f"{name[:2]}/{name}", name, size, "res.partner", 1))


@pytest.mark.long
def test_memory_stays_flat_and_everything_comes_back_when_the_filestore_is_big(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="prefect")
    usual = _backup(site)
    _attach_large(site)
    _attach_tiny(site)
    big = _backup(site)
    assert (big["files"], big["hashed"]) == (21 + _TINY_FILES, 1 + _TINY_FILES)
    assert big["peak"] - usual["peak"] < _LARGE_BYTES / 4

    present = site.content()
    site.lose_all()
    monkeypatch.setattr(progress, "_EVERY_SECONDS", 0)
    begun = time.monotonic()
    assert restore(site.name).files == 21 + _TINY_FILES
    print(f"restore: {time.monotonic() - begun:.0f} s")  # noqa: T201 - to be read by hand (`pytest -s`)
    assert f"Checking every sha1: 100 % ({21 + _TINY_FILES:,} files of {21 + _TINY_FILES:,} files" in caplog.text
    assert site.content() == present
    assert site.leftovers() == []
