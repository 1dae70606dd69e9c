"""What releases and restores keep for a way back, and what they delete in time."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from addons_repository import SHELF, put_on_record
from psycopg import sql
from real_sshd import RealSshd
from shop import Shop

from flows.backup import backup
from flows.restore import restore
from flows.rollback import rollback
from odoo_ops.policy.dumps import kept_mark

if TYPE_CHECKING:
    from conftest import Site
else:
    Site = Any

pytestmark = [pytest.mark.postgres, pytest.mark.restic]

_TEXT = "shelf/static/read.txt"


@pytest.fixture
def shop(odoo_site: Site, sshd_program: Path, tmp_path: Path) -> Iterator[Shop]:
    """One former commit stays."""
    (tmp_path / "sshd").mkdir()
    with RealSshd.run(sshd_program, tmp_path / "sshd") as sshd, Shop.run(odoo_site, sshd, tmp_path) as shop:
        shop.site.register(release=shop.site.settings.release.model_copy(update={"keep_releases": 1}))
        put_on_record(shop.site.name)
        yield shop


@pytest.mark.long
@pytest.mark.odoo
@pytest.mark.sshd
def test_former_commits_stay_as_many_as_are_asked_for_and_the_one_to_which_a_rollback_leads(shop: Shop) -> None:
    def released(text: str) -> str:
        commit = shop.addons.push({**SHELF, _TEXT: f"{text}\n"})
        assert shop.release().applied
        return commit

    def kept() -> set[str]:
        return {path.name for path in shop.link.with_name(".ours.releases").iterdir()}

    first, second = released("one"), released("two")
    assert kept() == {first, second}
    third = released("three")
    assert kept() == {second, third}
    shop.link.unlink()
    shop.link.symlink_to(shop.link.with_name(".ours.releases") / second)  # as somebody does it by hand
    fourth = released("four")
    assert kept() == {second, fourth}
    rollback(shop.site.name, confirm=shop.site.name)
    assert (kept(), shop.page(f"/{_TEXT}")) == ({second, fourth}, "two\n")


def test_replaced_database_stays_for_its_hours_and_goes_by_the_next_run_after_them(site: Site) -> None:
    site.register(backup=site.settings.backup.model_copy(update={"keep_replaced_hours": 5}))
    backup(site.name)
    before = datetime.now(UTC).replace(microsecond=0)
    first, second = (restore(site.name).kept_database for _ in range(2))
    assert first
    assert site.made_databases() == sorted(filter(None, (first, second)))
    with site.admin() as connection:
        (mark,) = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [first]
        ).fetchall()[0]
        until = datetime.fromisoformat(mark.rpartition(" ")[2]) - timedelta(hours=5)
        assert before <= until <= datetime.now(UTC)
        ended = kept_mark(site.name, before - timedelta(hours=5), 5)
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(first), sql.Literal(ended)))
    backup(site.name)
    assert site.made_databases() == [second]
