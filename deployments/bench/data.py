"""The data of a benchmark: grown to size, and changed as a day's work changes it."""

from collections.abc import Callable

from deployments.bench.files import add_files
from deployments.bench.grow import change_database, grow_database, make_tables
from deployments.bench.site import Site
from deployments.bench.text import Sentences
from odoo_ops.model.base import Value

Say = Callable[[str], None]
_SHARE = 0.01


class Sizes(Value):
    """How large the data is, and how often each thing is measured.

    Attributes:
        anywhere: the changed rows lie all over their tables, see `change_database`.
    """

    database_bytes: int
    filestore_bytes: int
    files: int
    repeat: int
    anywhere: bool


class Data:
    """Database and filestore of a site."""

    def __init__(self, site: Site, sizes: Sizes, say: Say) -> None:
        self._site, self._sizes, self._say = site, sizes, say
        self._sentences = Sentences(seed=19)

    def create(self) -> None:
        """A database of the whole size, and no files."""
        self._site.create()
        with self._site.connected() as connection:
            make_tables(connection)
            grow_database(connection, self._sizes.database_bytes, self._sentences)

    def add(self, files: int) -> None:
        """Add files of the mean size."""
        size = files * (self._sizes.filestore_bytes // self._sizes.files)
        with self._site.connected() as connection:
            added = add_files(connection, self._site.filestore, files, size, self._sentences)
        self._say(f"{files} files of {added:,} bytes added")
        self._site.settle()

    def change(self, of_files: int) -> None:
        """A day's work: 1 % of the rows, and 1 % of so many files."""
        with self._site.connected() as connection:
            rows = change_database(connection, _SHARE, self._sentences, anywhere=self._sizes.anywhere)
        self._say(f"{rows} rows changed or added")
        self.add(max(1, round(of_files * _SHARE)))
