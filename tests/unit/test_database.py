"""What goes wrong in an open connection leaves it as an error of this project; psycopg's own is a stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
import pytest

from odoo_ops.adapters import database
from odoo_ops.errors import OdooOpsError, PermanentError, PreconditionFailed, TransientError
from odoo_ops.model.environment import DatabaseSettings
from odoo_ops.model.sockets import Address


class _Host:
    name = "here"

    @contextmanager
    def tunnel(self, address: Address) -> Iterator[Address]:
        yield address


class _Connection:
    def __init__(self, *, broken: bool, at_commit: psycopg.Error | None = None) -> None:
        self.broken = broken
        self.at_commit = at_commit

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, _error: object, _trace: object) -> None:
        if kind is None and self.at_commit:
            raise self.at_commit


def _use(error: psycopg.Error | None) -> None:
    host: Any = _Host()
    with database.connect(host, DatabaseSettings(name="erp", user="odoo")):
        if error:
            raise error


@pytest.mark.parametrize(
    ("error", "broken", "kind", "next_step"),
    [
        (psycopg.errors.DiskFull("could not extend file"), False, PreconditionFailed, "make room on the disk"),
        (psycopg.errors.OutOfMemory("out of shared memory"), False, PreconditionFailed, "each table takes locks"),
        (psycopg.OperationalError("the connection is closed"), True, TransientError, "see that PostgreSQL runs"),
        (psycopg.errors.DeadlockDetected("deadlock detected"), False, PermanentError, "see in PostgreSQL's log"),
        (psycopg.errors.UndefinedTable("no such relation"), False, PermanentError, "see in PostgreSQL's log"),
    ],
)
def test_connection_raises_an_error_of_this_project_when_a_statement_fails(
    error: psycopg.Error, broken: bool, kind: type[OdooOpsError], next_step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for connection in (_Connection(broken=broken), _Connection(broken=broken, at_commit=error)):
        monkeypatch.setattr(psycopg, "connect", lambda connection=connection, **_: connection)
        with pytest.raises(OdooOpsError, match=rf"here as odoo.*Next step: {next_step}") as failure:
            _use(None if connection.at_commit else error)
        assert type(failure.value) is kind
        assert failure.value.__cause__ is error
