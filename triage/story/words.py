"""Times, amounts and lists in words; pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

LONGEST_TEXT = 300


def day(at: datetime, zone: tzinfo) -> str:
    """Such as "Tuesday, 17 November 2026"."""
    local = at.astimezone(zone)
    return f"{local:%A}, {local.day} {local:%B %Y}"


def time(at: datetime, zone: tzinfo) -> str:
    """Such as "15:47:03"."""
    return f"{at.astimezone(zone):%H:%M:%S}"


def took(span: timedelta) -> str:
    """Such as "340 ms", "12 s", "5 min", "3 h", "2 d"."""
    total = abs(span.total_seconds())
    if total < 1:
        return f"{total * 1000:.0f} ms"
    for limit, size, unit in ((100, 1, "s"), (6_000, 60, "min"), (172_800, 3_600, "h")):
        if total < limit:
            return f"{total / size:.3g} {unit}"
    return f"{total / 86_400:.3g} d"


def dollars(micro: int) -> str:
    """Micro-USD to a hundredth of a cent, such as "$0.0012"."""
    return f"${micro / 1_000_000:,.4f}"


def many(number: int, one: str, more: str | None = None) -> str:
    """Such as "1 report", "3,000 reports"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def short(text: str | None, limit: int = LONGEST_TEXT) -> str:
    """In one line, cut, without the full stop at its end."""
    line = " ".join((text or "").split()).removesuffix(".")
    return line if len(line) <= limit else line[: limit - 1] + "…"


def listed(parts: Sequence[str], most: int = 6) -> str:
    """Such as "a, b and c"; what is beyond `most` is only counted."""
    shown = list(parts[:most])
    if len(parts) > most:
        shown.append(f"{len(parts) - most} others")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""
