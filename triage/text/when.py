"""Times and spans as people say them; pure."""

import re
from datetime import datetime, timedelta, tzinfo

LONGEST = timedelta(days=1)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOMENT = re.compile(r"(?:(?P<day>[a-z]+)\s+(?:at\s+)?)?(?P<h>\d{1,2}):(?P<m>\d\d)(?::(?P<s>\d\d))?\s*(?P<half>[ap]m)?")


def moment(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The time that is meant: a date with a time, or a time of today, yesterday or the last day of that name.

    `now` is in `zone`. Raises ValueError, which says so, for what is none.
    """
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        return _named(text, now)
    return given if given.tzinfo else given.replace(tzinfo=zone)


def _named(text: str, now: datetime) -> datetime:
    found = _MOMENT.fullmatch(text.strip().lower())
    back = _days_back(found["day"] or "today", now) if found else None
    hour = _hour(int(found["h"]), found["half"]) if found else None
    if found is None or back is None or hour is None or int(found["m"]) > 59 or int(found["s"] or 0) > 59:  # noqa: PLR2004
        raise ValueError(f"{text[:80]!r} is no time; say 2026-11-17 15:47, 15:47, or tuesday 3:47 pm")
    clock = now.replace(hour=hour, minute=int(found["m"]), second=int(found["s"] or 0), microsecond=0)
    at = clock - timedelta(days=back)
    return at - timedelta(days=7) if found["day"] in _DAYS and at > now else at


def _days_back(day: str, now: datetime) -> int | None:
    if day in _DAYS:
        return (now.weekday() - _DAYS.index(day)) % 7
    return {"today": 0, "yesterday": 1}.get(day)


def _hour(hour: int, half: str | None) -> int | None:
    if half is None:
        return hour if hour < 24 else None  # noqa: PLR2004 - hours of a day
    return hour % 12 + (12 if half == "pm" else 0) if 1 <= hour <= 12 else None  # noqa: PLR2004


def length(text: str) -> timedelta:
    """A span such as 90s, 5m or 2h, up to a day; raises ValueError, which says so, for what is none."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhd])", text.strip().lower())
    span = timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else timedelta()
    if not timedelta() < span <= LONGEST:
        raise ValueError(f"{text[:40]!r} is no span up to a day; say 90s, 5m or 2h")
    return span
