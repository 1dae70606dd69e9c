import pytest

from odoo_ops.units import shown_bytes, shown_duration, shown_progress, time_unit


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_400_000_000, "3.4 GB"), (5e15, "5000.0 TB")]
)
def test_bytes_are_shown_with_si_prefixes(value: float, text: str) -> None:
    assert shown_bytes(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_are_shown_in_the_largest_units(seconds: float, text: str) -> None:
    assert shown_duration(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "unit", "seconds", "text"),
    [
        (500, 2000, "bytes", 5, "500 B of 2.0 kB, 100 B/s, 15.0 s left"),
        (0, 10, "files", 5, "0 files of 10 files, 0 files/s"),
        (10, 10, "files", 5, "10 files of 10 files, 2 files/s"),
        (1, 10, "files", 0, "1 files of 10 files, 0 files/s"),
    ],
)
def test_progress_tells_rate_and_what_is_left(done: int, total: int, unit: str, seconds: float, text: str) -> None:
    assert shown_progress(done, total, unit, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "unit"), [(0, "seconds"), (119, "seconds"), (120, "minutes"), (7200, "hours"), (172_800, "days")]
)
def test_unit_of_durations_fits_the_largest(seconds: float, unit: str) -> None:
    assert time_unit(seconds)[0] == unit
