"""How much is let through in a time."""

from typing import NamedTuple


class Bucket(NamedTuple):
    """What may still pass at a moment, in seconds of a steady clock. It starts full."""

    left: float
    at: float

    def taken(self, per_minute: int, now: float) -> "Bucket | None":
        """The bucket after one more passed; None when none is left. It fills by `per_minute` up to as many."""
        left = min(per_minute, self.left + (now - self.at) * per_minute / 60)
        return Bucket(left - 1, now) if left >= 1 else None
