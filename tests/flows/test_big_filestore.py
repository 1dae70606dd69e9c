"""One large attachment and very many small ones: 50 MB and 10,000; at length 1 GB and 200,000.

BIG_ATTACHMENT_MB and TINY_ATTACHMENTS are others instead of the latter.

What is measured is the flow's own process, as on a worker; not the agents beside the data, nor restic.
"""

import hashlib
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from real_processes import MarkedProcess

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_MIB = 1024 * 1024
_SECONDS = 600  # for each flow
_AT_LENGTH = (int(os.environ.get("BIG_ATTACHMENT_MB", "1000")), int(os.environ.get("TINY_ATTACHMENTS", "200000")))
# A flow's memory differs by a MB or two from run to run. A file that passed through it would be far more, also one of
# 50 MB. So would something kept of each file: for 200,000 names alone Python takes 20 MB; those of 10,000 would hide.
_FLAT_BYTES = 8 * _MIB
# not ru_maxrss: after a fork it begins with the peak of the process that started this one
_MEASURED = """
import json, sys
from importlib import import_module
from pathlib import Path
from tasks import progress
progress._EVERY_SECONDS = 0  # all that is sent is shown, however fast the machine is
flow, figures, *parameters = sys.argv[1:]
report = getattr(import_module(f"flows.{flow}"), flow)(*parameters)
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
Path(figures).write_text(json.dumps({"report": report.model_dump(mode="json"), "peak": int(peak.split()[1]) * 1024}))
"""


@dataclass(frozen=True)
class _Run:
    """What a flow in a process of its own reported and logged, and that process's peak memory in bytes."""

    report: dict[str, Any]
    peak: int
    log: str

    @classmethod
    def of(cls, flow: str, site: Site, *parameters: str) -> "_Run":
        figures, begun = site.folder / "figures.json", time.monotonic()
        argv = [sys.executable, "-c", _MEASURED, flow, str(figures), site.name, *parameters]
        run = MarkedProcess(argv, site.folder / f"{flow}.log")
        with ExitStack() as failed:
            failed.callback(run.close)
            assert run.end(_SECONDS) == 0, run.log()
            failed.pop_all()
        found = cls(**json.loads(figures.read_text()), log=run.log())
        print(f"{flow}: {time.monotonic() - begun:.0f} s, {found.peak / _MIB:.1f} MiB")  # noqa: T201 - read by hand
        return found


def _attach_large(site: Site, mib: int) -> None:
    digest, partial = hashlib.sha1(usedforsecurity=False), site.folder / "large"
    with partial.open("wb") as file:
        for _ in range(mib):
            chunk = os.urandom(_MIB)
            digest.update(chunk)
            file.write(chunk)
    name = digest.hexdigest()
    (site.filestore / name[:2]).mkdir(exist_ok=True)
    partial.rename(site.filestore / name[:2] / name)
    _insert(site, [(name, mib * _MIB)])


def _attach_tiny(site: Site, files: int) -> None:
    made = []
    for number in range(files):
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


@pytest.mark.parametrize(
    ("large_mib", "tiny_files"), [(50, 10_000), pytest.param(*_AT_LENGTH, id="at-length", marks=pytest.mark.long)]
)
@pytest.mark.timeout(4 * _SECONDS)
def test_memory_stays_flat_and_everything_comes_back_when_the_filestore_is_big(
    site: Site, large_mib: int, tiny_files: int
) -> None:
    usual_backup = _Run.of("backup", site)
    _attach_large(site, large_mib)
    _attach_tiny(site, tiny_files)
    big_backup = _Run.of("backup", site)
    assert (big_backup.report["files"], big_backup.report["hashed_files"]) == (21 + tiny_files, 1 + tiny_files)
    assert big_backup.peak - usual_backup.peak < _FLAT_BYTES

    present = site.content()
    site.lose_all()
    big_restore = _Run.of("restore", site)
    assert big_restore.report["files"] == 21 + tiny_files
    assert f"Checking every sha1: 100 % ({21 + tiny_files:,} files of {21 + tiny_files:,} files" in big_restore.log
    assert site.content() == present
    assert site.leftovers() == []
    usual_restore = _Run.of("restore", site, usual_backup.report["snapshot_id"])
    assert usual_restore.report["files"] == 20
    assert big_restore.peak - usual_restore.peak < _FLAT_BYTES
