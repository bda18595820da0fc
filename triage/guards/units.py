"""Durations and hours of the day as people write them in a policy: `2 h`, `09:00-17:00`."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Self, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "min": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_DURATION = re.compile(r"([0-9]{1,6}) ?(d|h|min|s)")
_HOURS = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_MIDNIGHT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """A span of every day: wall-clock times from midnight; `end` may be the next midnight."""

    start: timedelta
    end: timedelta

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `09:00-17:00`; raises ValueError."""
        found = _HOURS.fullmatch(text) if isinstance(text, str) else None
        if found is None or max(found[2], found[4]) > "59":
            raise ValueError("should be hours such as 09:00-17:00")
        start, end = (timedelta(hours=int(found[at]), minutes=int(found[at + 1])) for at in (1, 3))
        if not start < end <= _MIDNIGHT:
            raise ValueError("should end after it starts, and by 24:00")
        return cls(start, end)

    def __str__(self) -> str:
        return f"{_clock(self.start)}-{_clock(self.end)}"


def words(span: timedelta) -> str:
    """`2 h`, `90 min`: the largest unit that needs no fraction."""
    for unit, size in _UNITS.items():
        if span >= size and not span % size:
            return f"{span // size} {unit}"
    return f"{span.total_seconds():g} s"


def _clock(since_midnight: timedelta) -> str:
    hours, minutes = divmod(since_midnight // _UNITS["min"], 60)
    return f"{hours:02}:{minutes:02}"


def _duration(given: object) -> timedelta:
    if isinstance(given, timedelta):
        return given
    found = _DURATION.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError("should be a duration such as 2 h, 90 min or 30 d")
    return int(found[1]) * _UNITS[found[2]]


def _hours(given: object) -> Hours:
    return given if isinstance(given, Hours) else Hours.parse(given)


Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(words)]
DayHours: TypeAlias = Annotated[Hours, BeforeValidator(_hours), PlainSerializer(str)]
