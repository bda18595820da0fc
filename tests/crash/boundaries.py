"""From what a process recorded to the boundaries at which it is killed."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

LOOKS = frozenset({"sql.from_tool_values"})
"""What guards read and keep for a while: two threads may do it at once, so that how often it happens differs."""
ROUNDS = "rounds."
"""What the leading worker asks the other systems now and then. Of systems that all trials share, no two answers are
alike, so it is left out where not everything is tried."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point that was reached: `at` is the machine's monotonic clock in seconds, `number` counts from 1 per label."""

    at: float
    thread: str
    label: str
    number: int
    outcome: object

    @property
    def base(self) -> str:
        """The label without before or after."""
        return self.label.rpartition(".")[0]

    @property
    def name(self) -> str:
        """What `CRASH_AT` takes."""
        return f"{self.label}#{self.number}"


def read(trace: Path) -> list[Point]:
    """What a process recorded; nothing if it came to nothing."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return [Point(*json.loads(line)) for line in lines]


def polling(idle: Sequence[Point]) -> frozenset[str]:
    """What a worker without work repeats."""
    counts = Counter(point.base for point in idle if point.label.endswith(".after"))
    return frozenset(base for base, number in counts.items() if number > 1) | LOOKS


def of(points: Sequence[Point], polls: frozenset[str]) -> list[str]:
    """The boundaries of a recorded run, in order.

    A poll counts when its answer is another one than the time before; everything else counts every time.
    """
    telling = _telling(points, polls)
    return [point.name for point in points if point.base not in polls or (point.base, point.number) in telling]


def thinned(names: Sequence[str], patterns: Sequence[str], every: int) -> list[str]:
    """All boundaries that fit one of the patterns (such as `http.*`), and every so many of the others."""
    chosen = {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}
    others = [name for name in names if name not in chosen and (every == 1 or not name.startswith(ROUNDS))]
    chosen.update(others[::every])
    return [name for name in names if name in chosen]


def _telling(points: Sequence[Point], polls: frozenset[str]) -> set[tuple[str, int]]:
    last: dict[str, object] = {}
    found = set()
    for point in points:
        if point.base in polls and point.label.endswith(".after"):
            if point.base not in last or last[point.base] != point.outcome:
                found.add((point.base, point.number))
            last[point.base] = point.outcome
    return found
