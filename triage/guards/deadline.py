"""The deadline: a call that cannot end in time is not begun.

It refuses because a call that begins too late may be committed after others took it for not sent. It has no store.
"""

from datetime import timedelta

from triage import clock
from triage.errors import Postponed
from triage.guards.base import Guard
from triage.model import Request, Sent
from triage.ports import Tool

LEAST_LEFT = timedelta(milliseconds=50)
SOON = timedelta(seconds=1)


class Deadline(Guard):
    """Sends only if enough of the request's time is left."""

    def __init__(self, tool: Tool, least: timedelta = LEAST_LEFT) -> None:
        """`least` is what must be left."""
        super().__init__(tool)
        self._least = least.total_seconds()

    def send(self, request: Request) -> Sent:
        """Send, or raise `Postponed`: the lateness is ours, so it counts neither as an attempt nor against the tool."""
        left = request.deadline - clock.now()
        if left < self._least:
            late = f"only {max(left, 0.0) * 1000:.0f} ms were left for {self.spec.name}"
            raise Postponed(f"{late}, {self._least * 1000:.0f} are needed", SOON)
        return self._tool.send(request)
