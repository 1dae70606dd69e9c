"""What a benchmark found: ratios of medians, a table in Markdown, and where the time of a flow went."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from deployments.bench.data import Sizes
from deployments.bench.measure import Measured
from deployments.bench.ours import Run
from odoo_ops.model.base import Value

_MEGABYTE = 1_000_000
_SHOWN = 8
_NAME_CHARACTERS = 44


class Ratios(Value):
    """Ours / the script's, each of medians; docs/benchmarks.md says of what.

    Attributes:
        growth_10x: ours at ten times the filestore / ours, both with the same change.
        orchestration_seconds: of a second night, the time in which no operation was at work.
    """

    first_backup: float
    second_backup: float
    second_backup_bytes: float
    restore: float
    growth_10x: float
    orchestration_seconds: float


def ratios_of(measured: Measured) -> Ratios:
    """The ratios of what was measured."""
    return Ratios(
        first_backup=_ours(measured.first) / median(cost.seconds for _run, cost in measured.first),
        second_backup=_ours(measured.second) / median(cost.seconds for _run, cost in measured.second),
        second_backup_bytes=median(measured.second_bytes) / median(cost.new_bytes for _run, cost in measured.second),
        restore=_ours(measured.restore) / median(seconds for _run, seconds in measured.restore),
        growth_10x=_seconds(measured.at_full) / _seconds(measured.at_a_tenth),
        orchestration_seconds=median(run.orchestration_seconds for run, _cost in measured.second),
    )


def heading(sizes: Sizes) -> str:
    """On how much data it was measured."""
    return (
        f"Database {sizes.database_bytes / _MEGABYTE:,.0f} MB, filestore {sizes.filestore_bytes / _MEGABYTE:,.0f} MB"
        f" in {sizes.files:,} files, medians of {sizes.repeat}"
        + (", changed rows anywhere in their tables." if sizes.anywhere else ".")
    )


def table(sizes: Sizes, measured: Measured) -> str:
    """Everything in one Markdown table."""
    ratios = ratios_of(measured)
    script_first = [cost for _run, cost in measured.first]
    script_second = [cost for _run, cost in measured.second]
    at_full, at_a_tenth = _seconds(measured.at_full), _seconds(measured.at_a_tenth)
    share = ratios.orchestration_seconds / _ours(measured.second)
    rows = [
        _row(
            "First backup",
            _ours(measured.first),
            median(cost.seconds for cost in script_first),
            ratios.first_backup,
        ),
        _row_of_bytes(measured.first_bytes, [cost.new_bytes for cost in script_first], "First backup: bytes stored"),
        _row(
            "Second night, 1 % changed",
            _ours(measured.second),
            median(cost.seconds for cost in script_second),
            ratios.second_backup,
        ),
        _row_of_bytes(measured.second_bytes, [cost.new_bytes for cost in script_second], "Second night: bytes stored"),
        _row(
            "Restore, every sha1 checked (the script checks none)",
            _ours(measured.restore),
            median(seconds for _run, seconds in measured.restore),
            ratios.restore,
        ),
        f"| Same change, 10 x / 1 x the files | {at_full:.1f} s / {at_a_tenth:.1f} s | | {ratios.growth_10x:.2f} |",
        f"| Orchestration of a second night | {ratios.orchestration_seconds:.1f} s | | {share:.0%} of the flow |",
    ]
    return "\n".join([heading(sizes), "", "| | ours | script | ours / script |", "|---|---:|---:|---:|", *rows])


def whereabouts(measured: Measured) -> str:
    """Where the time of each kind of flow went, the last run of each; operations overlap, so they add up to more."""
    runs = {
        "first backup": measured.first[-1][0],
        "second night": measured.second[-1][0],
        "restore": measured.restore[-1][0],
    }
    return "\n".join(_whereabouts(name, run) for name, run in runs.items())


def _whereabouts(name: str, run: Run) -> str:
    spent: dict[str, float] = defaultdict(float)
    for operation in run.operations:
        spent[_shown(operation.name)] += operation.ended - operation.begun
    longest = sorted(spent.items(), key=lambda item: -item[1])[:_SHOWN]
    told = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in longest)
    return f"{name} ({run.seconds:.1f} s, orchestration {run.orchestration_seconds:.1f} s): {told}"


def _shown(name: str) -> str:
    """An operation, or a command's program and its first word that is no option."""
    program, *words = name.split()
    first = next((word for word in words if not word.startswith(("-", "'", "/"))), "")
    return f"{program.rpartition('/')[2]} {first}".strip()[:_NAME_CHARACTERS]


def _ours(pairs: Sequence[tuple[Run, object]]) -> float:
    return median(run.seconds for run, _theirs in pairs)


def _seconds(runs: Sequence[Run]) -> float:
    return median(run.seconds for run in runs)


def _row(what: str, ours: float, script: float, ratio: float) -> str:
    return f"| {what} | {ours:.1f} s | {script:.1f} s | {ratio:.3f} |"


def _row_of_bytes(ours: Sequence[int], script: Sequence[int], what: str) -> str:
    mine, theirs = median(ours), median(script)
    return f"| {what} | {mine / _MEGABYTE:,.1f} MB | {theirs / _MEGABYTE:,.1f} MB | {mine / theirs:.3f} |"
