"""Trials: reports decided by some way to decide, in dry run, with money of their own; no run or budget row is touched.

The money is in memory: a killed trial leaves nothing behind but what the provider was asked for. Whoever starts it
again gives it a new allowance.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from triage import clock, errors
from triage.decide.candidate import NotAsked, Tally, Way
from triage.model import Claim, Decision, Report, Stage
from triage.model.money import Bill, Question, Reserved

AT_ONCE = 8
"""Reports that are decided at once where a model is asked; without one it is one after the other."""
PATIENCE = timedelta(seconds=35)
"""How long an ask waits for others to settle, where their worst case takes the room that it needs."""

T = TypeVar("T")
R = TypeVar("R")


class Spent(errors.TriageError):
    """The trial's own budget has no room for another ask."""


class Allowance:
    """A purse of `limit` micro-USD for all threads of a trial: the worst case is taken out before each ask."""

    def __init__(self, limit: int) -> None:
        """Nothing is taken yet."""
        self.limit = limit
        self._changed = threading.Condition()
        self._open: dict[UUID, int] = {}
        self._settled = 0
        self._closed = False

    @property
    def taken(self) -> int:
        """Micro-USD that were spent, with what was reserved and not settled."""
        return self._settled + sum(self._open.values())

    def reserve(self, question: Question) -> Reserved:
        """Take the most that this can cost; waits while asks that are under way may give some of theirs back.

        Raises:
            Spent: there is no room, and none will be.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._fits(question.worst) or self._hopeless(question.worst), _PATIENCE)
            if self._closed or not self._fits(question.worst):
                raise Spent(
                    f"the budget of {self.limit / 1e6:g} USD has no room for an ask of {question.worst / 1e6:g}"
                )
            reservation_id = uuid4()
            self._open[reservation_id] = question.worst
            return Reserved(reservation_id)

    def settle(self, reservation_id: UUID, bill: Bill, answer: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - nobody asks twice
        """Replace what was taken by what it cost."""
        with self._changed:
            self._open.pop(reservation_id, None)
            self._settled += bill.spent
            self._changed.notify_all()

    def close(self) -> None:
        """Give no more money."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fits(self, amount: int) -> bool:
        return self.taken + amount <= self.limit

    def _hopeless(self, amount: int) -> bool:
        return self._closed or not self._open or self._settled + amount > self.limit


_PATIENCE = PATIENCE.total_seconds()


@dataclass(frozen=True, slots=True)
class Tried:
    """What would be decided, or why nobody knows (`error`); what that cost (micro-USD), and how long it took."""

    decision: Decision | None
    cost: int
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Decides reports. `halt` ends what is under way when the trial is broken off."""

    way: Way
    allowance: Allowance
    at_once: int = 1
    halt: Callable[[], object] = field(default=lambda: None)

    def over(self, items: Iterable[T], report_of: Callable[[T], Report]) -> Generator[tuple[T, Tried], None, None]:
        """Each item with what would be decided about its report, in order; see `spread`."""
        return self.spread(items, lambda item: self.decide(report_of(item)))

    def decide(self, report: Report) -> Tried:
        """Decide one; raises Spent, and InvalidSetting where no other report would go better."""
        purse, began = Tally(self.allowance), clock.now()
        decision, error = None, ""
        try:
            decision = self.way(purse).decide(report, claim_of(report))
        except NotAsked as problem:
            error = str(problem)
        return Tried(decision, purse.cost, clock.now() - began, error)

    def spread(self, items: Iterable[T], work: Callable[[T], R]) -> Generator[tuple[T, R], None, None]:
        """Do the work for each, some at once, in order; close the iterator to break it off.

        Raises:
            Spent: after what was still under way has been given.
        """
        if self.at_once == 1:
            yield from ((item, work(item)) for item in items)
            return
        waiting: deque[tuple[T, Future[R]]] = deque()
        pool = ThreadPoolExecutor(self.at_once, thread_name_prefix="trial")
        try:
            yield from _flow(pool, waiting, items, work, self.at_once * 2)
        except Spent:
            pool.shutdown(cancel_futures=True)
            yield from ((item, future.result()) for item, future in waiting if _came_to_something(future))
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self.allowance.close()
            self.halt()
            raise
        finally:
            pool.shutdown()


def claim_of(report: Report) -> Claim:
    """A claim that the database does not know: what asks for it gets no money from there."""
    fields = report.model_dump(mode="json")
    return Claim(uuid4(), report.key, Stage.TRIAGE, 0, uuid4(), 1, 0, clock.now(), fields)


def _flow(
    pool: ThreadPoolExecutor,
    waiting: deque[tuple[T, Future[R]]],
    items: Iterable[T],
    work: Callable[[T], R],
    most: int,
) -> Iterator[tuple[T, R]]:
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) >= most:
            yield _next(waiting)
    while waiting:
        yield _next(waiting)


def _next(waiting: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    item, future = waiting[0]
    result = future.result()
    waiting.popleft()
    return item, result


def _came_to_something(future: Future[R]) -> bool:
    return not future.cancelled() and future.exception() is None
