"""The benchmark's pure parts, and its data; that it runs at all is shown by `make bench`."""

from collections.abc import Sequence

import pytest

from deployments.bench.compose import Nights
from deployments.bench.data import Sizes
from deployments.bench.files import sizes_of
from deployments.bench.measure import Measured
from deployments.bench.ours import Operation, Run, covered_seconds
from deployments.bench.ratios import ratios_of, table, whereabouts
from deployments.bench.text import Sentences
from deployments.demo.script import Cost

SIZES = Sizes(database_bytes=10**9, filestore_bytes=3_400_000_000, files=42_000, repeat=3, anywhere=False)


def _run(seconds: float, *spans: tuple[float, float]) -> Run:
    operations = tuple(Operation(name="/usr/bin/restic --json backup", begun=begun, ended=end) for begun, end in spans)
    return Run(begun=0, seconds=seconds, operations=operations, report={})


@pytest.mark.parametrize(
    ("spans", "expected"),
    [([], 0), ([(1, 3)], 2), ([(1, 3), (2, 5)], 4), ([(1, 9), (2, 3)], 8), ([(4, 5), (1, 2)], 2)],
)
def test_covered_seconds_counts_no_moment_twice(spans: Sequence[tuple[float, float]], expected: float) -> None:
    assert covered_seconds(_run(10, *spans).operations) == expected


def _measured() -> Measured:
    return Measured(
        first=[(_run(30), Cost(seconds=100, new_bytes=2000))],
        first_bytes=[1900],
        second=[
            (_run(9, (1, 6)), Cost(seconds=100, new_bytes=2000)),
            (_run(99), Cost(seconds=80, new_bytes=1000)),
            (_run(10, (0, 5)), Cost(seconds=100, new_bytes=2000)),
        ],
        second_bytes=[100, 300, 200],
        restore=[(_run(30), 40.0)],
        at_a_tenth=[_run(8)],
        at_full=[_run(10)],
    )


def test_ratios_are_of_medians() -> None:
    found = ratios_of(_measured())
    assert found.model_dump() == pytest.approx(
        {
            "first_backup": 0.3,
            "second_backup": 0.1,
            "second_backup_bytes": 0.1,
            "restore": 0.75,
            "growth_10x": 1.25,
            "orchestration_seconds": 5,
        }
    )


def test_ratios_of_a_compose_project_are_of_medians() -> None:
    nights = Nights(
        first={"bench": [_run(20)], "bench-compose": [_run(30)]},
        second={"bench": [_run(10), _run(90), _run(12)], "bench-compose": [_run(9), _run(15), _run(80)]},
    )
    assert nights.ratios().model_dump() == pytest.approx({"compose_first_backup": 1.5, "compose_backup": 1.25})
    assert "| Second night, 1 % changed | 15.0 s | 12.0 s | 1.250 |" in nights.table()


def test_table_shows_every_ratio_and_whereabouts_name_programs() -> None:
    shown = table(SIZES, _measured())
    assert "3,400 MB in 42,000 files, medians of 3." in shown
    assert "| Second night, 1 % changed | 10.0 s | 100.0 s | 0.100 |" in shown
    assert "second night (10.0 s, orchestration 5.0 s): restic backup 5.0 s" in whereabouts(_measured())


def test_sizes_of_files_add_up_and_are_mostly_small() -> None:
    sizes = list(sizes_of(1000, 80_000_000, Sentences(seed=1)))
    assert sum(sizes) == pytest.approx(80_000_000, rel=0.01)
    assert sorted(sizes)[500] < 80_000 / 2


def test_text_is_the_same_for_a_seed() -> None:
    assert Sentences(seed=3).bytes(500) == Sentences(seed=3).bytes(500) != Sentences(seed=4).bytes(500)
