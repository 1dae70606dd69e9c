"""Amounts as people read them."""


def byte_unit(largest: float) -> tuple[str, float]:
    """The SI unit in which amounts up to this one are read best, and its bytes."""
    units, size = ["B", "kB", "MB", "GB", "TB"], 1.0
    while largest >= size * 1000 and len(units) > 1:
        units, size = units[1:], size * 1000
    return units[0], size


def time_unit(largest: float) -> tuple[str, float]:
    """The unit in which durations up to this one are read best, and its seconds."""
    units = [("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)]
    return next((unit for unit in units if largest >= 2 * unit[1]), ("seconds", 1.0))


def shown_bytes(value: float) -> str:
    """Bytes with an SI prefix, such as `1.2 GB`."""
    unit, size = byte_unit(value)
    return f"{value:.0f} B" if unit == "B" else f"{value / size:.1f} {unit}"


def shown_duration(seconds: float) -> str:
    """A duration, such as `4.2 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def shown_progress(done: int, total: int, unit: str, seconds: float) -> str:
    """How far work is after so many seconds: amounts, rate and the time that is left at this rate."""
    amount = shown_bytes if unit == "bytes" else (lambda value: f"{value:,.0f} {unit}")
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{amount(done)} of {amount(total)}", f"{amount(rate)}/s"]
    if rate > 0 and total > done:
        parts.append(f"{shown_duration((total - done) / rate)} left")
    return ", ".join(parts)
