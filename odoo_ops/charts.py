"""The picture of an environment's trends. Matplotlib takes half a second to import: import this where it is drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from operator import itemgetter

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from odoo_ops.model.environment import Environment
from odoo_ops.model.figures import History
from odoo_ops.units import byte_unit, time_unit

_BLUE, _ORANGE, _GREEN, _ALARM, _GREY = "#0072B2", "#E69F00", "#009E73", "#C00000", "#666666"
# a limit that is further above all that was measured would press it flat: the title names it, no line is drawn
_LIMIT_IN_SIGHT = 5

# when, and how much; None: not measured
Point = tuple[datetime, float | None]


@dataclass(frozen=True)
class _Line:
    label: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True)
class _Panel:
    title: str
    unit: Callable[[float], tuple[str, float]]
    lines: Sequence[_Line]
    limit: tuple[str, float] | None = None
    logarithmic: bool = False

    @property
    def values(self) -> list[float]:
        return [value for line in self.lines for _, value in line.points if value is not None]

    @property
    def full_title(self) -> str:
        if self.limit is None:
            return self.title
        unit, size = self.unit(self.limit[1])
        return f"{self.title} ({self.limit[0]} {self.limit[1] / size:g} {unit})"


def draw_trends(history: History, environment: Environment) -> bytes:
    """A PNG of one column of panels over the last runs, at least one. Times are UTC.

    A red line goes through all panels at every run with a failed check; what is beyond its limit has a red cross.
    """
    panels = [*_panels_of_backups(history), *_panels_of_objectives(history, environment)]
    figure = Figure(figsize=(9, 13), dpi=80)
    FigureCanvasAgg(figure)
    # fixed margins: a layout that is found out draws everything twice
    margins = {"left": 0.12, "right": 0.98, "top": 0.975, "bottom": 0.04, "hspace": 0.35}
    columns = list(figure.subplots(len(panels), 1, sharex=True, gridspec_kw=margins))
    marked = [one.taken_at for one in history.backups if one.alarms]
    marked += [one.begun_at for one in history.drills if one.alarms]
    for axes, panel in zip(columns, panels, strict=True):
        _draw_panel(axes, panel)
        for at in marked:
            axes.axvline(_number(at), color=_ALARM, linewidth=1, alpha=0.6)
    _draw_dates(columns[-1], history)
    figure.align_ylabels()
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _panels_of_backups(history: History) -> list[_Panel]:
    backups, drills = history.backups, history.drills
    size = [
        _Line("whole backup", _BLUE, [(one.taken_at, one.total_bytes) for one in backups]),
        _Line("database", _ORANGE, [(one.taken_at, one.database_bytes) for one in backups]),
        _Line("filestore", _GREEN, [(one.taken_at, one.filestore_bytes) for one in backups]),
    ]
    new = _Line("", _BLUE, [(one.taken_at, max(one.added_bytes, 1)) for one in backups])
    duration = [
        _Line("backup", _BLUE, [(one.taken_at, one.seconds) for one in backups]),
        _Line("drill", _ORANGE, [(one.begun_at, one.seconds) for one in drills]),
    ]
    return [
        _Panel("Size", byte_unit, size),
        _Panel("New in the repository, logarithmic", byte_unit, [new], logarithmic=True),
        _Panel("Duration", time_unit, duration),
    ]


def _panels_of_objectives(history: History, environment: Environment) -> list[_Panel]:
    backups, drills, objectives = history.backups, history.drills, environment.objectives
    gaps = [
        _Line("before this backup", _BLUE, [(one.taken_at, one.gap_seconds) for one in backups]),
        _Line("longest of a week, by drills", _ORANGE, [(one.begun_at, one.gap_seconds) for one in drills]),
    ]
    recovery = _Line("", _ORANGE, [(one.begun_at, one.recovery_seconds) for one in drills])
    ages: list[Point] = [(one.taken_at, one.verified_age_seconds) for one in backups]
    ages += [(one.begun_at, (one.begun_at - one.taken_at).total_seconds()) for one in drills if one.verified]
    oldest = timedelta(days=environment.backup.verified_age_days).total_seconds()
    age = _Line("", _BLUE, sorted(ages, key=itemgetter(0)))
    return [
        _Panel("RPO: time without a backup", time_unit, gaps, ("objective", objectives.rpo_minutes * 60)),
        _Panel("RTO: until Odoo answered", time_unit, [recovery], ("objective", objectives.rto_minutes * 60)),
        _Panel("Age of the newest verified backup", time_unit, [age], ("at most", oldest)),
    ]


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    axes.set_title(panel.full_title, loc="left", fontsize=10)
    axes.grid(visible=True, axis="y", color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if not panel.values:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=_GREY)
        axes.set_yticks([])
        return
    limit = panel.limit[1] if panel.limit else None
    seen = limit if limit is not None and limit <= max(panel.values) * _LIMIT_IN_SIGHT else None
    unit, size = ("", 1.0) if panel.logarithmic else panel.unit(max(*panel.values, seen or 0.0))
    for line in panel.lines:
        _draw_line(axes, line, size, limit)
    if seen is not None:
        axes.axhline(seen / size, color=_GREY, linestyle="--", linewidth=1)
    if panel.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(EngFormatter(unit="B"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
        axes.set_ylabel(unit)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    if len(panel.lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.95), fontsize=8, ncols=len(panel.lines), frameon=False)


def _draw_line(axes: Axes, line: _Line, size: float, limit: float | None) -> None:
    """A line through what was measured, with a red cross on each point that is beyond the limit."""
    known = [(at, value) for at, value in line.points if value is not None]
    times, values = [_number(at) for at, _ in known], [value / size for _, value in known]
    axes.plot(times, values, color=line.colour, marker="o", markersize=3.5, linewidth=1.2, label=line.label)
    beyond = [at for at, (_, value) in enumerate(known) if limit is not None and value > limit]
    axes.plot([times[at] for at in beyond], [values[at] for at in beyond], "X", color=_ALARM, markersize=8)


def _draw_dates(axes: Axes, history: History) -> None:
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    times = [one.taken_at for one in history.backups] + [one.begun_at for one in history.drills]
    margin = max((max(times) - min(times)) * 0.03, timedelta(minutes=5))
    axes.set_xlim(_number(min(times) - margin), _number(max(times) + margin))


def _number(at: datetime) -> float:
    return float(date2num(at))
