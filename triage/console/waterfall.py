"""A run's attempts, asks, calls and waits on one axis of time, as numbers for SVG: pure, and testable as text.

Runs work for milliseconds and wait for days. So the axis is true while something goes on, and every idle stretch that
is longer than all the work beside it is cut down to a fixed width, marked as a gap with its real length.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from triage.store.runs import AttemptView, EffectView, RunStory
from triage.store.whole import Ask, Call, Whole

GAP = 6.0
"""Percent of the width that a cut stretch gets."""
LEAST_WIDTH = 0.4
LEAST_WORK = timedelta(milliseconds=20)
MOST_BARS = 300


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that took from `start` to `end`. `kind` is attempt, ask, call, wait or person; `state` colours it."""

    kind: str
    label: str
    start: datetime
    end: datetime
    state: str
    told: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A bar with its place, in percent of the width."""

    bar: Bar
    x: float
    width: float

    @property
    def took(self) -> timedelta:
        """How long it took."""
        return self.bar.end - self.bar.start


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that was cut down: its place in percent, and its real length."""

    x: float
    width: float
    length: timedelta


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Lanes in the order in which they began."""

    lanes: tuple[Lane, ...]
    gaps: tuple[Gap, ...]
    start: datetime
    end: datetime


def waterfall(story: RunStory, rest: Whole, now: datetime) -> Waterfall | None:
    """All that is known of when; None as long as nothing happened but that it came in."""
    bars = sorted(_bars(story, rest, now), key=lambda bar: (bar.start, bar.end))[:MOST_BARS]
    return laid_out(bars, story.run.created_at) if bars else None


def laid_out(bars: Sequence[Bar], began: datetime) -> Waterfall:
    """Every bar with its place on the axis from `began` (or the first bar) to the end of the last."""
    busy = _merged([(began, began), *((bar.start, bar.end) for bar in bars)])
    pieces = list(_pieces(busy))
    shown = [Lane(bar, x := _place(pieces, bar.start), _width(x, _place(pieces, bar.end))) for bar in bars]
    gaps = tuple(Gap(piece.x, piece.width, piece.end - piece.start) for piece in pieces if piece.cut)
    return Waterfall(tuple(shown), gaps, busy[0][0], busy[-1][1])


def _bars(story: RunStory, rest: Whole, now: datetime) -> Iterator[Bar]:
    yield from (_attempt(one, rest) for one in story.attempts)
    yield from (_ask(one, now) for one in rest.asks)
    times = {(one.stage, one.number): one for one in rest.calls}
    for effect in story.effects:
        yield from _call(effect, times.get((effect.stage, effect.number)), story.attempts, now)
    for event in story.events:
        by = event.detail.get("by", "")
        yield Bar("person", f"{event.what}", event.at, event.at, "person", f"{event.what} {f'by {by}' if by else ''}")
    run = story.run
    if run.status == "active" and run.due > now and run.attempt:
        yield Bar("wait", "next try", now, run.due, "waiting", run.reason or "waits until it is due")


def _attempt(one: AttemptView, rest: Whole) -> Bar:
    took = timedelta(seconds=one.seconds or 0)
    worker = rest.processes.get(one.process_id, "a worker that is gone")
    told = f"{one.outcome} on {worker}" + (f": {one.error}" if one.error else "")
    return Bar("attempt", f"{one.stage} {one.number}", one.ended_at - took, one.ended_at, one.outcome, told)


def _ask(one: Ask, now: datetime) -> Bar:
    told = "answered" if one.settled_at else "no answer known"
    state = "finished" if one.answer is not None else ("retry" if one.settled_at else "waiting")
    return Bar(
        "ask", one.model, one.made_at, one.settled_at or min(now, one.made_at + timedelta(minutes=1)), state, told
    )


def _call(one: EffectView, call: Call | None, attempts: Sequence[AttemptView], now: datetime) -> Iterator[Bar]:
    if call is None or call.sent_at is None:
        return
    its = (try_.ended_at for try_ in attempts if try_.stage == one.stage and try_.ended_at >= call.sent_at)
    ended = min(its, default=now)
    end = min(max(ended, call.sent_at), call.deadline or ended)
    yield Bar("call", f"{one.tool}", call.sent_at, max(end, call.sent_at), one.state, one.error or one.state)
    if call.not_before and one.state == "unknown":
        yield Bar("wait", "quarantine", end, max(call.not_before, end), "waiting", "the call may still be committed")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of time and where it lies on the axis."""

    start: datetime
    end: datetime
    x: float
    width: float
    cut: bool


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _pieces(busy: Sequence[tuple[datetime, datetime]]) -> Iterator[_Piece]:
    """The axis from left to right: work as it was, and between it idle stretches, the long ones cut down."""
    work = max(sum((end - start for start, end in busy), timedelta()), LEAST_WORK)
    idle = [(end, start) for (_, end), (start, _) in pairwise(busy)]
    long = {one for one in idle if one[1] - one[0] > work}
    gap = min(GAP, 40 / max(len(long), 1))
    true = sum(((end - start) for start, end in [*busy, *idle] if (start, end) not in long), timedelta())
    scale = (100 - gap * len(long)) / max(true.total_seconds(), 1e-6)
    x = 0.0
    for start, end in sorted([*busy, *idle]):
        cut = (start, end) in long
        width = gap if cut else (end - start).total_seconds() * scale
        yield _Piece(start, end, x, width, cut)
        x += width


def _place(pieces: Sequence[_Piece], at: datetime) -> float:
    piece = next((one for one in pieces if at <= one.end), pieces[-1])
    length = (piece.end - piece.start).total_seconds()
    share = (at - piece.start).total_seconds() / length if length else 0.0
    return piece.x + piece.width * min(max(share, 0.0), 1.0)


def _width(x: float, end: float) -> float:
    return round(min(max(end - x, LEAST_WIDTH), 100 - min(x, 100 - LEAST_WIDTH)), 3)
