from datetime import UTC, datetime

import pytest

from deployments.backup_list import ListedBackup

PROVED = ListedBackup(
    time=datetime(2026, 3, 1, 2, 30, tzinfo=UTC),
    id="0123456789abcdef",
    size_bytes=2_500_000,
    new_bytes=400,
    proved=True,
    damaged=False,
    verified=True,
    kept=("newest proved", "daily 2026-03-01"),
)


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, ("2.5 MB", "400 B", "proved, verified", "newest proved; daily 2026-03-01")),
        ({"size_bytes": None, "new_bytes": None}, ("?", "?", "proved, verified", "newest proved; daily 2026-03-01")),
        ({"damaged": True, "verified": False, "kept": ()}, ("2.5 MB", "400 B", "proved, damaged", "no rule")),
        ({"proved": False, "verified": False, "kept": ()}, ("2.5 MB", "400 B", "not proved", "no rule")),
    ],
)
def test_line_of_a_backup_says_what_is_known_and_what_is_not(changes: dict[str, object], row: tuple[str, ...]) -> None:
    assert PROVED.model_copy(update=changes).row == ("2026-03-01 02:30", "01234567", *row)
