"""What happens to the database itself, and to what others write to it, while a release updates modules in a copy."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from addons_repository import SECOND, SHELF
from real_processes import MarkedProcess
from real_sshd import RealSshd
from shop import Shop

from flows.backup import backup
from flows.rollback import rollback
from odoo_ops.errors import Refused
from odoo_ops.model.checks import Check
from odoo_ops.model.release import ReleasePlan
from tasks.modules import try_release

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic, pytest.mark.odoo, pytest.mark.sshd]

_PLANNED_SECONDS = 10  # so long a run takes at the most to plan a release, if nothing keeps it waiting
_REPORTER = "odoo_ops_test_reporter"
_PROPERTIES = """
    SELECT datconnlimit, ARRAY(SELECT acl::text FROM unnest(datacl) acl ORDER BY 1),
      ARRAY(
        SELECT s.setrole || ' ' || setting FROM pg_db_role_setting s, unnest(setconfig) setting
        WHERE setdatabase = d.oid ORDER BY 1
      )
    FROM pg_database d WHERE datname = current_database()
"""


@pytest.fixture
def shop(
    odoo_site: Site, sshd_program: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    with (
        RealSshd.run(sshd_program, tmp_path_factory.mktemp("sshd")) as sshd,
        Shop.run(odoo_site, sshd, tmp_path) as shop,
    ):
        shop.opens()
        shop.addons.push({**SHELF, **SECOND})
        yield shop


def test_release_is_refused_when_something_wrote_to_the_database_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a session that goes on: PostgreSQL does not count yet what it wrote."""
    others: list[psycopg.Connection] = []

    def try_and_write(environment: str, scratch: str, plan: ReleasePlan, seconds: float) -> list[Check]:
        checks = try_release(environment, scratch, plan, seconds)
        others.append(psycopg.connect(shop.site.conninfo, autocommit=True))
        others[0].execute("INSERT INTO shelf_book (name) VALUES ('dune')")
        return checks

    monkeypatch.setattr("flows._cut_over.try_release", try_and_write)
    with pytest.raises(Refused, match=r"does not hold it: 1 rows in public\.shelf_book"):
        shop.release()
    assert [other.close() for other in others] == [None]
    assert "a shelf with the first edition" in shop.page()
    assert shop.sql("SELECT name FROM shelf_book") == [("dune",)]
    assert shop.leftovers() == []
    assert shop.site.made_databases() == []


@pytest.mark.long
def test_what_was_set_of_the_database_stays_with_its_name(shop: Shop) -> None:
    """Parameters of everybody and of one role, rights, and a limit: a release and its rollback change none of it."""
    name = f'"{shop.database}"'
    for words in (
        f"CREATE ROLE {_REPORTER}",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {name} TO {_REPORTER} WITH GRANT OPTION",
        f'ALTER DATABASE {name} SET search_path TO "$user", public',
        f"ALTER DATABASE {name} SET log_min_duration_statement TO '1500ms'",
        f"ALTER ROLE {_REPORTER} IN DATABASE {name} SET statement_timeout TO '1min'",
        f"ALTER DATABASE {name} CONNECTION LIMIT 40",
    ):
        shop.sql(words)
    before = shop.sql(_PROPERTIES)
    assert "statement_timeout" in str(before)
    assert shop.release().applied
    assert "a shelf with the second edition" in shop.page()
    assert shop.sql(_PROPERTIES) == before
    shop.sql(f"ALTER DATABASE {name} RESET log_min_duration_statement")
    changed = shop.sql(_PROPERTIES)
    rollback(shop.site.name, confirm=shop.site.name)
    assert "a shelf with the first edition" in shop.page()
    assert shop.sql(_PROPERTIES) == changed
    shop.sql(f"DROP OWNED BY {_REPORTER}")
    shop.sql(f"DROP ROLE {_REPORTER}")


@pytest.mark.long
def test_release_is_planned_when_the_one_before_it_is_in_place(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pushes at once, such as to two repositories: neither makes the other's plan a stale one."""
    commit = shop.addons.push({**SHELF, **SECOND, "shelf/static/read.txt": "the third one\n"}, "third")
    code = f"from flows.release import release; release({shop.site.name!r}, refs={{{shop.repository!r}: {commit!r}}})"
    others: list[MarkedProcess] = []

    def begin_another(environment: str) -> None:
        others.append(MarkedProcess([sys.executable, "-c", code], shop.site.folder / "other.log"))
        failed.callback(others[0].close)
        others[0].wait_until(lambda: "Beginning flow run" in others[0].log(), "it has begun", 120)
        time.sleep(_PLANNED_SECONDS)
        backup(environment)

    monkeypatch.setattr("flows.release.backup", begin_another)
    with ExitStack() as failed:
        assert [update.name for update in shop.release().plan.updates] == ["shelf"]
        assert others[0].end(300) == 0, others[0].log()
        failed.pop_all()  # the Odoo that serves people is the other one's
    assert shop.page("/shelf/static/read.txt") == "the third one\n"
    assert "a shelf with the second edition" in shop.page()
