"""The outermost guard: what cannot be judged does not leave."""

from datetime import timedelta

from triage.errors import Postponed, StoreUnavailable
from triage.guards.base import Guard
from triage.model import Request, Sent

WAIT = timedelta(seconds=2)


class FailClosed(Guard):
    """Every guard asks its store before the call, and none lets its store's failure leave after it.

    So `StoreUnavailable` means that nothing was sent. Were it to leave as it is, the engine would have to take the
    outcome for unknown.
    """

    def send(self, request: Request) -> Sent:
        """Send, or say that the run has to wait until the guards can be asked."""
        try:
            return self._tool.send(request)
        except StoreUnavailable as error:
            raise Postponed(f"nothing was sent, because the guards cannot be asked: {error}", WAIT) from error
