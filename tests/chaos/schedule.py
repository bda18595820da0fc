"""What goes wrong when: a pure function of the seed and the length."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from triage.testing import FaultKind

WORKERS = 3
FIRST_AT = 3.0
"""Seconds until the first fault, in which the workers get busy."""
GAP = (3.4, 5.0)
"""Seconds from one fault to the next, at least and at most."""
QUIET_END = 1.0
"""Seconds without a new fault at the end."""
FREEZE = (6.0, 8.0)
"""Seconds that a worker is frozen: longer than a process may be silent before it is held for dead."""
CUT = (4.0, 10.0)
"""Seconds that a worker is cut off: from shorter than a process may be silent to long after it is held for dead."""
WINDOW = 3.2
"""Seconds that the other systems misbehave; shorter than the gap, so that one kind is at work at a time."""


class Kind(StrEnum):
    """A kind of fault."""

    WORKER_KILLED = "worker_killed"
    """SIGKILL, and a new process at once."""
    WORKER_FROZEN = "worker_frozen"
    """SIGSTOP, and SIGCONT when others have long taken over."""
    BROKER_FLUSHED = "broker_flushed"
    BROKER_RESTARTED = "broker_restarted"
    """SIGKILL, and started again with its file."""
    BROKER_EMPTIED = "broker_restarted_empty"
    """SIGKILL, and started again without its file."""
    DATABASE_CRASHED = "database_crashed"
    """Immediate shutdown, and crash recovery."""
    BACKENDS_TERMINATED = "backends_terminated"
    """The connections of everybody, the driver's included."""
    TOOL_ERROR_BEFORE = "tool_500_before"
    TOOL_ERROR_AFTER = "tool_500_after"
    TOOL_TOO_MANY = "tool_429"
    TOOL_COMMIT_THEN_DROP = "tool_commit_then_drop"
    TOOL_HANG_LATE_COMMIT = "tool_hang_late_commit"
    TOOL_HANG = "tool_hang"
    TOOL_GARBAGE = "tool_garbage"
    CUT_DATABASE = "cut_database"
    """A worker's packets to and from Postgres vanish; the others of this kind likewise. Only in namespaces."""
    CUT_BROKER = "cut_broker"
    CUT_TOOLS = "cut_tools"
    CUT_ALL = "cut_all"

    @property
    def tool_fault(self) -> FaultKind | None:
        """What the tool server is told, if this is its fault."""
        return FaultKind(self.value.removeprefix("tool_")) if self.value.startswith("tool_") else None

    @property
    def is_cut(self) -> bool:
        """Whether this needs network namespaces."""
        return self.value.startswith("cut_")


class Way(StrEnum):
    """Which packets vanish in a cut."""

    OUT = "out"
    BACK = "back"
    BOTH = "both"


USUAL = (
    *[Kind.WORKER_KILLED] * 4,
    *[Kind.WORKER_FROZEN] * 3,
    *[kind for kind in Kind if not kind.is_cut and not kind.startswith("worker")],
)
"""What is drawn from: everything comes once before anything comes more often than this."""
NETWORK = (*[kind for kind in Kind if kind.is_cut] * 3, Kind.WORKER_KILLED, Kind.BROKER_FLUSHED, Kind.DATABASE_CRASHED)
"""The same in namespaces."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fault: when (seconds from the start), what, which worker it would hit, how long, and a seed of its own."""

    at: float
    kind: Kind
    worker: int
    seconds: float
    seed: int
    way: Way

    def __str__(self) -> str:
        hit = f" w{self.worker + 1}" if self.kind.startswith(("worker", "cut")) else ""
        way = f" {self.way}" if self.kind.is_cut else ""
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.kind}{hit}{way}{lasting}"


def make(seed: int, seconds: float, kinds: Iterable[Kind] = USUAL) -> tuple[Event, ...]:
    """The schedule."""
    # A source for each question, so that a longer schedule begins as a shorter one does.
    when, what, how = (random.Random(f"{seed} {question}") for question in ("when", "what", "how"))  # noqa: S311
    drawn = _endlessly(what, tuple(kinds))
    return tuple(_event(how, at, next(drawn)) for at in _times(when, seconds))


def _times(source: random.Random, seconds: float) -> list[float]:
    times, at = [], FIRST_AT
    while at <= seconds - QUIET_END:
        times.append(round(at, 2))
        at += source.uniform(*GAP)
    return times


def _endlessly(source: random.Random, kinds: tuple[Kind, ...]) -> Iterator[Kind]:
    """Shuffled anew each time all were drawn."""
    while True:
        yield from source.sample(kinds, len(kinds))


def _event(source: random.Random, at: float, kind: Kind) -> Event:
    # All of it is drawn for every kind, so that a change of one kind does not shift the rest of the schedule.
    worker, frozen, cut = source.randrange(WORKERS), source.uniform(*FREEZE), source.uniform(*CUT)
    own, way = source.randrange(1_000_000), source.choice(list(Way))
    return Event(at, kind, worker, round(_lasting(kind, frozen, cut), 2), own, way)


def _lasting(kind: Kind, frozen: float, cut: float) -> float:
    if kind is Kind.WORKER_FROZEN:
        return frozen
    if kind.is_cut:
        return cut
    return WINDOW if kind.tool_fault else 0.0
