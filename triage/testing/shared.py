"""The guards' shared state in memory, for tests: as exact as the real one, and away when it is told to be."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from triage import clock
from triage.errors import StoreUnavailable
from triage.model import Rate, ToolState

LONGEST_COOL_DOWN = timedelta(minutes=10)


class SharedMemory:
    """A `SharedState` of one process. `calls` holds what it was asked, in order, as `take tracker`.

    `errors` holds what it was told of failures, and `away` the names of the methods that raise `StoreUnavailable` now.
    `now` gives its clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = clock.now) -> None:
        """All tools are in service, nobody has failed."""
        self._now = now
        self._lock = threading.Lock()
        self._states: dict[str, ToolState] = {}
        self._opens: dict[str, int] = defaultdict(int)
        self._until: dict[str, float] = {}
        self._probing: dict[str, float] = {}
        self._taken: dict[str, deque[float]] = defaultdict(deque)
        self._blocked: dict[str, float] = {}
        self.calls: list[str] = []
        self.errors: list[str] = []
        self.away: set[str] = set()

    def switch_off(self, name: str, why: str) -> None:
        """Put a tool, or all of them (`*`), out of service; an empty `why` puts it back."""
        self._states[name] = replace(self._state(name), switched_off=why)

    def tool(self, name: str) -> ToolState:
        """What is known of a tool."""
        self._asked("tool", name)
        return self._state(name)

    def failed(self, name: str, *, error: str, threshold: int, cool_down: timedelta) -> None:
        """Count a failure; the breaker opens twice as long each time."""
        self.errors.append(error)
        self._asked("failed", name)
        with self._lock:
            state = self._state(name)
            state = replace(state, failures=state.failures + 1)
            if state.failures >= threshold:
                span = min(cool_down * (1 << min(self._opens[name], 20)), LONGEST_COOL_DOWN)
                self._opens[name] += 1
                self._until[name] = self._now() + span.total_seconds()
                self._probing.pop(name, None)
                state = replace(state, tripped=True)
            self._states[name] = state

    def succeeded(self, name: str) -> None:
        """Close the breaker."""
        self._asked("succeeded", name)
        with self._lock:
            self._states[name] = replace(self._state(name), failures=0, tripped=False)
            for kept in (self._opens, self._until, self._probing):
                kept.pop(name, None)

    def probe(self, name: str, lifetime: timedelta) -> bool:
        """One caller at a time."""
        self._asked("probe", name)
        with self._lock:
            if self._probing.get(name, 0.0) > self._now():
                return False
            self._probing[name] = self._now() + lifetime.total_seconds()
            return True

    def take(self, bucket: str, rate: Rate) -> timedelta:
        """At most `rate.calls` in any span of `rate.per`."""
        self._asked("take", bucket)
        with self._lock:
            now, taken = self._now(), self._taken[bucket]
            if (blocked := self._blocked.get(bucket, 0.0) - now) > 0:
                return timedelta(seconds=blocked)
            while taken and taken[0] <= now - rate.per.total_seconds():
                taken.popleft()
            if len(taken) >= rate.calls:
                return rate.per - timedelta(seconds=now - taken[0])
            taken.append(now)
            return timedelta()

    def block(self, bucket: str, wait: timedelta) -> None:
        """Nobody takes from it until then."""
        self._asked("block", bucket)
        self._blocked[bucket] = self._now() + wait.total_seconds()

    def _state(self, name: str) -> ToolState:
        open_for = timedelta(seconds=max(self._until.get(name, 0.0) - self._now(), 0.0))
        return replace(self._states.get(name, ToolState()), open_for=open_for)

    def _asked(self, method: str, of: str) -> None:
        self.calls.append(f"{method} {of}")
        if method in self.away:
            raise StoreUnavailable(f"the shared state is away ({method})")
