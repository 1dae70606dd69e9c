"""What the load on the receiver says of its answers."""

from collections import Counter

import pytest
from webhook_load import shown


@pytest.mark.parametrize(
    ("slowest", "expected"),
    [
        (0.199, "max 199 ms; 100.00% within 200 ms, aim reached"),
        (0.201, "max 201 ms; 75.00% within 200 ms, aim missed"),
    ],
)
def test_aim_is_missed_when_one_answer_takes_longer(slowest: float, expected: str) -> None:
    assert shown(Counter({202: 4}), [0.1, 0.1, slowest, 0.1], 1).endswith(expected)
