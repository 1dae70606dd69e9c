"""Amounts as people read them."""


def shown_bytes(value: float) -> str:
    """Bytes with an SI prefix, such as `1.2 GB`."""
    amount, units = float(value), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:  # noqa: PLR2004 - SI prefixes go in thousands
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} B" if units[0] == "B" else f"{amount:.1f} {units[0]}"


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
