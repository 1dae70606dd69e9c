"""The benchmark as a list of steps, each repetition of ours beside the script's on the same data.

At a tenth of the filestore: first backup, then second nights. At its whole size: first backups into new
repositories, second nights with the same change as at a tenth, second nights with 1 % changed, restores.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from deployments.bench.data import Data, Say, Sizes
from deployments.bench.ours import Run, run_flow
from deployments.bench.script import night_by_script, restore_by_script
from deployments.bench.site import Site, register
from deployments.demo.databases import superuser
from deployments.demo.script import Cost, folder_bytes
from odoo_ops.adapters.cluster import drop_database, list_databases
from odoo_ops.errors import VerificationFailed

_STEP = 10


@dataclass
class Measured:
    """What was measured, one entry for each repetition."""

    first: list[tuple[Run, Cost]] = field(default_factory=list)
    first_bytes: list[int] = field(default_factory=list)
    second: list[tuple[Run, Cost]] = field(default_factory=list)
    second_bytes: list[int] = field(default_factory=list)
    restore: list[tuple[Run, float]] = field(default_factory=list)
    at_a_tenth: list[Run] = field(default_factory=list)
    at_full: list[Run] = field(default_factory=list)


class Bench:
    """One benchmark on a site."""

    def __init__(self, site: Site, sizes: Sizes, say: Say) -> None:
        self._site, self._sizes, self._say = site, sizes, say
        self._data = Data(site, sizes, say)
        self._repositories = 0
        self.measured = Measured()

    def run(self) -> Measured:
        """Do everything. Raises what any step raises: no figure without all of them."""
        self._grow_to_a_tenth()
        for number in range(self._sizes.repeat):
            self._data.change(self._sizes.files // _STEP)
            self._note(f"second night at 1/10, {number + 1}", self.measured.at_a_tenth, run_flow(self._site, "backup"))
        self._data.add(self._sizes.files - self._sizes.files // _STEP)
        for number in range(self._sizes.repeat):
            self._first_night(number)
        for number in range(self._sizes.repeat):
            self._data.change(self._sizes.files // _STEP)
            self._note(f"same change at 10/10, {number + 1}", self.measured.at_full, run_flow(self._site, "backup"))
        for number in range(self._sizes.repeat):
            self._second_night(number)
        for number in range(self._sizes.repeat):
            self._restore(number)
        return self.measured

    def _grow_to_a_tenth(self) -> None:
        self._data.create()
        self._data.add(self._sizes.files // _STEP)
        self._use_new_repository()
        run = run_flow(self._site, "backup")
        self._say(f"first night at 1/10 (not judged): {run.seconds:.1f} s")

    def _use_new_repository(self) -> None:
        self._repositories += 1
        for former in (self._repository, self._site.layout.place("bench") / "state"):
            shutil.rmtree(former, ignore_errors=not former.exists())
        (self._site.layout.place("bench") / "state").mkdir()
        register(self._site, self._repository)

    @property
    def _repository(self) -> Path:
        return self._site.layout.repository

    def _first_night(self, number: int) -> None:
        self._use_new_repository()
        run = run_flow(self._site, "backup")
        self.measured.first_bytes.append(folder_bytes(self._repository))
        self._site.settle()
        cost = night_by_script(self._site, self._script_folder())
        self._note_both(f"first night, {number + 1}", self.measured.first, run, cost)

    def _second_night(self, number: int) -> None:
        self._data.change(self._sizes.files)
        before = folder_bytes(self._repository)
        run = run_flow(self._site, "backup")
        self.measured.second_bytes.append(folder_bytes(self._repository) - before)
        self._site.settle()
        cost = night_by_script(self._site, self._script_folder())
        self._note_both(f"second night, {number + 1}", self.measured.second, run, cost)

    def _restore(self, number: int) -> None:
        site, into = self._site, self._site.layout.run / f"restored-{number}"
        self._lose_everything(self._site.layout.run / f"lost-{number}")
        site.settle()
        run = run_flow(site, "restore")
        site.settle()
        seconds = restore_by_script(site, self._site.script_folder, into)
        self._compare_files(into)
        self.measured.restore.append((run, seconds))
        self._say(f"restore, {number + 1}: {run.seconds:.1f} s, script {seconds:.1f} s")

    def _lose_everything(self, aside: Path) -> None:
        """The filestore is put aside, and nothing is deleted before the end of the benchmark.

        An ext4 without a journal goes past every inode that was freed in the last minutes for each file it makes
        (`recently_deleted` in Linux's fs/ext4/ialloc.c), which doubles the time of whatever restores next.
        """
        with superuser(self._site.cluster) as connection:
            drop_database(connection, self._site.database)
            kept = [name for name in list_databases(connection) if name.startswith("odoo_ops_")]
        if kept:
            raise VerificationFailed(f"{kept} should not be there: nothing was replaced.")
        self._site.filestore.rename(aside)

    def _compare_files(self, restored: Path) -> None:
        """The script restored as many files as we did: it looks at none of them."""
        theirs, ours = (sum(file.is_file() for file in f.rglob("*")) for f in (restored, self._site.filestore))
        if theirs != ours:
            raise VerificationFailed(f"The script restored {theirs} files, the flow {ours}.")

    def _script_folder(self) -> Path:
        shutil.rmtree(self._site.script_folder, ignore_errors=not self._site.script_folder.exists())
        return self._site.script_folder

    def _note(self, what: str, into: list[Run], run: Run) -> None:
        into.append(run)
        self._say(f"{what}: {run.seconds:.1f} s")

    def _note_both(self, what: str, into: list[tuple[Run, Cost]], run: Run, cost: Cost) -> None:
        into.append((run, cost))
        self._say(f"{what}: {run.seconds:.1f} s, script {cost.seconds:.1f} s")
