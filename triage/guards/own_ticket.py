"""Whose tickets are commented on: only those that one of our own confirmed effects filed.

It refuses because a comment's ticket is named by a decision. Our cascade takes it from the database, and this asks the
database again, so that nobody who gets hold of a decision can write on tickets of others. If it cannot be told,
`StoreUnavailable` leaves and nothing is sent.
"""

from collections.abc import Callable
from uuid import UUID

from triage.errors import GuardRefused
from triage.guards.base import Guard
from triage.model import Request, Sent, ticket_in
from triage.ports import Tool

RULE = "tickets.same_as"


class OwnTicket(Guard):
    """Sends comments on our own tickets."""

    def __init__(self, tool: Tool, filed: Callable[[UUID, str, str, str], bool]) -> None:
        """`filed` says whether this run filed this ticket: run, tool, place, the ticket's id."""
        super().__init__(tool)
        self._filed = filed

    def send(self, request: Request) -> Sent:
        """Send, or raise `GuardRefused`, which is final for this call."""
        run_id = _run_of(request)
        if run_id is None or not self._filed(run_id, self.spec.beside, *ticket_in(request.target)):
            raise GuardRefused(f"{request.target!r:.80} is no ticket that we filed", RULE)
        return self._tool.send(request)


def _run_of(request: Request) -> UUID | None:
    try:
        return UUID(request.content["same_as"]["run_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
