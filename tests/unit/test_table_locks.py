"""What an update had to itself: looks summed up, tables in their order, and the forecast's page."""

from datetime import UTC, datetime

from odoo_ops.model.release import ReleasePlan
from odoo_ops.model.release_reports import ForecastReport
from odoo_ops.model.table_locks import LockedTable, Table, UpdateLocks
from odoo_ops.policy.table_locks import Look, Seen, seen_in, update_locks
from odoo_ops.render import render

_LOCKED = LockedTable(
    name="public.sale_order",
    total_bytes=3_000_000_000,
    unwritable_seconds=95.0,
    unreadable_seconds=0.0,
    rewritten=True,
)


def _page(locks: UpdateLocks | None) -> str:
    report = ForecastReport(
        environment="erp",
        seconds=1.0,
        plan=ReleasePlan(environment="erp", addons=()),
        snapshot_id="0123456789",
        taken_at=datetime(2026, 11, 22, tzinfo=UTC),
        locks=locks,
    )
    return render("reports/forecast.md", report=report)


def _tables(**sizes: int) -> dict[int, Table]:
    return {oid: Table(name=name, total_bytes=size, file=oid) for oid, (name, size) in enumerate(sizes.items(), 1)}


def _files(before: dict[int, Table], **changed: int) -> dict[int, int]:
    return {oid: changed.get(table.name, table.file) for oid, table in before.items()}


def test_look_speaks_for_the_time_until_the_next_one() -> None:
    looks = [Look({}, 0.5), Look({1: True, 2: False}, 0.5), Look({1: False, 2: False}, 1.5), Look({}, 0.25)]
    seen = seen_in(iter(looks))
    assert seen.looks == 4
    assert seen.unwritable_seconds == {1: 2.0, 2: 2.0}
    assert seen.unreadable_seconds == {1: 0.5}


def test_tables_are_named_when_they_were_locked_or_written_anew() -> None:
    before = _tables(locked=10, rewritten=20, left_alone=30)
    seen = Seen(3, {1: 2.0}, {1: 1.5})
    locks = update_locks(before, seen, _files(before, rewritten=99))
    assert [(table.name, table.unwritable_seconds, table.unreadable_seconds) for table in locks.tables] == [
        ("locked", 2.0, 1.5),
        ("rewritten", 0.0, 0.0),
    ]
    assert [table.rewritten for table in locks.tables] == [False, True]
    assert (locks.looks, locks.others, locks.not_measured) == (3, 0, "")


def test_tables_that_were_not_there_before_do_not_count() -> None:
    """Nor do indexes, nor what is PostgreSQL's own."""
    assert update_locks(_tables(old=1), Seen(1, {7: 9.0}, {7: 9.0}), {1: 1, 7: 7}).tables == ()


def test_table_that_the_update_dropped_is_named_and_was_not_written_anew() -> None:
    (table,) = update_locks(_tables(dropped=1), Seen(1, {1: 1.0}, {1: 1.0}), {}).tables
    assert not table.rewritten


def test_ten_tables_are_named_those_locked_longest_first_and_the_others_counted() -> None:
    before = _tables(**{f"t{number:02}": number for number in range(1, 15)})
    seen = Seen(9, {3: 8.0, 5: 9.0}, {})
    locks = update_locks(before, seen, {oid: table.file + 100 for oid, table in before.items()})
    assert [table.name for table in locks.tables] == ["t05", "t03", *(f"t{number:02}" for number in range(14, 6, -1))]
    assert locks.others == 4


def test_page_names_locked_tables() -> None:
    page = _page(UpdateLocks(looks=1200, tables=(_LOCKED,), others=7))
    assert "PostgreSQL was asked 1,200 times" in page
    assert "| public.sale_order | 3.0 GB | 1 min 35 s | not seen | yes |\n\nAnd 7 more tables.\n" in page


def test_page_tells_nothing_seen_from_not_measured() -> None:
    assert "No table that had been there before was seen locked" in _page(UpdateLocks(looks=3))
    page = _page(UpdateLocks(not_measured="PostgreSQL did not answer"))
    assert page.endswith("## Locked by the update\n\nNot measured: PostgreSQL did not answer\n")
    assert "No table" not in page


def test_page_says_nothing_of_locks_when_no_module_was_updated() -> None:
    assert "Locked" not in _page(None)
