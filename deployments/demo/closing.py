"""What the demo prints: the nights beside the script's, and the closing table."""

from collections.abc import Sequence
from typing import Literal

from deployments.demo.script import Cost
from odoo_ops.model.base import Value

Verdict = Literal["passed", "FAILED", "not run"]
_MEGABYTE = 1_000_000


class Row(Value):
    """One step of the demo and what it proved."""

    step: str
    seconds: float | None
    verdict: Verdict
    proved: str


class Night(Value):
    """One night's backup, beside the script's on the same data.

    Attributes:
        starting_seconds: of the backup's seconds, those until the flow ran.
    """

    name: str
    backup: Cost
    script: Cost
    starting_seconds: float


def closing_table(rows: Sequence[Row]) -> str:
    """All steps, one line each."""
    lines = [("step", "seconds", "result", "proved")]
    lines += [(row.step, _seconds(row.seconds), row.verdict, row.proved) for row in rows]
    return _aligned(lines, right={1})


def all_passed(rows: Sequence[Row]) -> bool:
    """Whether every step passed, and there was at least one."""
    return bool(rows) and all(row.verdict == "passed" for row in rows)


def comparison(nights: Sequence[Night]) -> str:
    """Time and new bytes of each night beside the script's, with their ratio, whatever it is."""
    lines = [("", "backup", "script", "backup / script")]
    for night in nights:
        ours, theirs = night.backup, night.script
        seconds = ratio(ours.seconds, theirs.seconds)
        new = ratio(ours.new_bytes, theirs.new_bytes)
        lines.append((f"{night.name}: time", f"{ours.seconds:.1f} s", f"{theirs.seconds:.1f} s", seconds))
        lines.append((f"{night.name}: new bytes", megabytes(ours.new_bytes), megabytes(theirs.new_bytes), new))
    starting = ", ".join(f"{night.starting_seconds:.1f} s" for night in nights)
    return (
        f"{_aligned(lines, right={1, 2, 3})}\n"
        f"Of the backup's time, {starting} passed until the flow ran (queue, Python, Prefect): on data as small as\n"
        "this, that and the flow's own checks decide. The script checks nothing and keeps every night whole."
    )


def ratio(ours: float, theirs: float) -> str:
    """Ours as a multiple of theirs; a dash where theirs is nothing."""
    return f"{ours / theirs:.2f}" if theirs else "-"


def megabytes(amount: int) -> str:
    """Bytes as people read them."""
    return f"{amount / _MEGABYTE:.2f} MB"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _aligned(lines: Sequence[tuple[str, ...]], right: set[int]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
