"""The rate limit and the day's budget: what the other system, or the policy, allows us in a time.

They refuse because going beyond a published limit gets everybody's calls refused. A comment counts as a ticket: both
write to the same system. If the shared state cannot be told before the call, `StoreUnavailable` leaves and nothing is
sent. After the call its books may fail: what became of the call is told all the same.
"""

from datetime import timedelta
from functools import partial

from triage.errors import NotSent, Postponed
from triage.guards.base import Guard, aside
from triage.model import Rate, Request, Sent
from triage.ports import SharedState, Tool

DAY = timedelta(days=1)


class RateLimit(Guard):
    """Takes each call out of buckets that all workers share: one for its target, one for the tool.

    A tool without a rate has no bucket and costs no statement.
    """

    def __init__(self, tool: Tool, shared: SharedState, *, rate: Rate | None = None) -> None:
        """`rate` takes the place of the one that the tool declares."""
        super().__init__(tool)
        self._shared = shared
        self._rate = rate or tool.spec.rate
        self._target_rate = tool.spec.target_rate

    def send(self, request: Request) -> Sent:
        """Send, or raise `Postponed` until a call is there."""
        buckets = self._buckets(self.placed(request).target)
        for bucket, rate in buckets:
            _take(self._shared, bucket, rate, f"{bucket} may be called {rate.calls} times in {rate.per}")
        try:
            return self._tool.send(request)
        except Postponed:
            raise
        except NotSent as error:
            if buckets and error.retry_after:
                aside(self.spec.name, partial(self._shared.block, buckets[0][0], error.retry_after))
            raise

    def _buckets(self, target: str) -> list[tuple[str, Rate]]:
        """The narrowest first: a system that limits by target means that one when it says "too often"."""
        name = self.spec.beside or self.spec.name
        both = ((f"{name}/{target}", self._target_rate), (name, self._rate))
        return [(bucket, rate) for bucket, rate in both if rate is not None]


class Budget(Guard):
    """At most so many calls of a tool in a day."""

    def __init__(self, tool: Tool, shared: SharedState, calls: int) -> None:
        """`calls` is how many; all workers share them."""
        super().__init__(tool)
        self._shared = shared
        self._rate = Rate(calls, DAY)

    def send(self, request: Request) -> Sent:
        """Send, or raise `Postponed` until a call is there."""
        name = self.spec.beside or self.spec.name
        words = f"{name} may be called {self._rate.calls} times a day (limits.per_day)"
        _take(self._shared, f"{name}/day", self._rate, words)
        return self._tool.send(request)


def _take(shared: SharedState, bucket: str, rate: Rate, words: str) -> None:
    wait = shared.take(bucket, rate)
    if wait > timedelta():
        raise Postponed(f"{words}, and no call is left", wait)
