"""The circuit breaker: a tool that gave no usable answer several times in a row is left alone for a while.

It refuses because calls to a system that is down cost slots, time and, for tools without a key, a person's attention.
If the shared state cannot be told before the call, `StoreUnavailable` leaves and nothing is sent. After the call its
books may fail: what became of the call is told all the same.
"""

from datetime import timedelta
from functools import partial

from triage import errors
from triage.errors import NotSent, OutcomeUnknown, Postponed
from triage.guards.base import Guard, aside
from triage.model import Request, Sent, ToolState
from triage.ports import SharedState, Tool

WHILE_PROBED = timedelta(seconds=3)


class CircuitBreaker(Guard):
    """Opens after `threshold` failures in a row; once it has cooled down, one caller at a time tries the tool.

    A failure is a lost or unusable answer, or no connection. A definite no is an answer, and "too often, come back in
    10 s" is neither: the rate limit sees to it.
    """

    def __init__(self, tool: Tool, shared: SharedState, threshold: int, cool_down: timedelta) -> None:
        """The state is shared by all workers under the tool's name."""
        super().__init__(tool)
        self._shared = shared
        self._threshold = threshold
        self._cool_down = cool_down

    def send(self, request: Request) -> Sent:
        """Send, or raise `Postponed` while the breaker is open."""
        state = self._shared.tool(self.spec.name)
        self._admit(state)
        try:
            sent = self._tool.send(request)
        except (NotSent, OutcomeUnknown) as error:
            self._count(error)
            raise
        except errors.Refused:
            self._close(state)
            raise
        self._close(state)
        return sent

    def _admit(self, state: ToolState) -> None:
        name = self.spec.name
        if state.open_for > timedelta():
            raise Postponed(f"{name} failed {state.failures} times in a row and is left alone for now", state.open_for)
        if state.tripped and not self._shared.probe(name, self.spec.timeout):
            raise Postponed(f"{name} failed {state.failures} times in a row; another call tries it now", WHILE_PROBED)

    def _count(self, error: Exception) -> None:
        if isinstance(error, NotSent) and error.retry_after is not None:
            return  # a guard inside, or the other system, only said when to come back
        failed = partial(self._shared.failed, threshold=self._threshold, cool_down=self._cool_down)
        aside(self.spec.name, partial(failed, self.spec.name, error=str(error)))

    def _close(self, state: ToolState) -> None:
        """In the normal case there is nothing to forget, and no statement."""
        if state.failures or state.tripped:
            aside(self.spec.name, partial(self._shared.succeeded, self.spec.name))
