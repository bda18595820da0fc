"""How the objectives stand, computed from Postgres: the same as the alerts' rules, with no Prometheus at all."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.config import Objectives
from triage.model.burns import BURNS, LEAST_BAD, LEAST_EVENTS, WINDOWS, Burn, Severity, factor
from triage.store.overview import Objective as Counts
from triage.store.overview import Overview


@dataclass(frozen=True, slots=True)
class Events:
    """What is counted in one window, and what of it is bad."""

    total: int
    bad: int

    @property
    def ratio(self) -> float:
        """The share that is bad; none of nothing."""
        return self.bad / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Burning:
    """The burn rates of a pair of windows; `fires` when both are above `most` and there are events enough."""

    severity: Severity
    long: timedelta
    short: timedelta
    rate_long: float
    rate_short: float
    most: float
    fires: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """One objective over its `window`: `accepted` runs came in, `events` came to an end that counts for it.

    `left` is the share of the error budget that is left; below zero it is overdrawn. `overdue` runs are unfinished and
    older than the objective allows; they count as bad already.
    """

    name: str
    target: float
    window: timedelta
    accepted: int
    events: Events
    overdue: int
    left: float
    burns: tuple[Burning, ...]

    @property
    def fires(self) -> tuple[Severity, ...]:
        """What somebody is told: nothing, page, ticket or both."""
        return tuple(sorted({burn.severity for burn in self.burns if burn.fires}))


def standings(overview: Overview, given: Objectives, at: datetime) -> tuple[Standing, ...]:
    """All objectives at a time (aware); raises StoreUnavailable."""
    counts = {window: overview.objectives(at - window, at, given.within) for window in {*WINDOWS, given.window}}
    return (
        _standing("completeness", given.completeness, {at: _ended(one) for at, one in counts.items()}, counts, given),
        _standing("freshness", given.freshness, {at: _lasted(one) for at, one in counts.items()}, counts, given),
    )


def _ended(counts: Counts) -> Events:
    return Events(counts.done + counts.dead, counts.dead)


def _lasted(counts: Counts) -> Events:
    return Events(counts.done, counts.done - counts.fresh)


def _standing(
    name: str, target: float, events: dict[timedelta, Events], counts: dict[timedelta, Counts], given: Objectives
) -> Standing:
    whole = counts[given.window]
    overdue = whole.overdue if name == "freshness" else 0
    counted = Events(events[given.window].total + overdue, events[given.window].bad + overdue)
    burns = tuple(_burnings(events, 1 - target, given.window))
    left = 1 - counted.ratio / (1 - target)
    return Standing(name, target, given.window, whole.received, counted, overdue, left, burns)


def _burnings(events: dict[timedelta, Events], budget: float, window: timedelta) -> Iterator[Burning]:
    for burn in BURNS:
        most = factor(burn, window)
        rates = events[burn.long].ratio / budget, events[burn.short].ratio / budget
        fires = min(rates) > most and _enough(events, burn)
        yield Burning(burn.severity, burn.long, burn.short, *rates, most, fires)


def _enough(events: dict[timedelta, Events], burn: Burn) -> bool:
    return events[burn.long].total >= LEAST_EVENTS and events[burn.long].bad >= LEAST_BAD
