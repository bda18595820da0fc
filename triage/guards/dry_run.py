"""The dry run: everything happens but the call.

It refuses nothing and has no store. It is innermost, so that a dry run is told no exactly where a real one is.
"""

from triage.guards.base import Guard
from triage.model import Request, Sent

REMOTE_ID = "dry-run"
NOTHING_SENT = "nothing was sent: dry run"


class DryRun(Guard):
    """Answers like a tool that sent it, and says that it did not."""

    def send(self, request: Request) -> Sent:  # noqa: ARG002 - nothing of it goes anywhere
        """Nothing."""
        return Sent(REMOTE_ID, "", (NOTHING_SENT,))

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Nothing more than `send` said: there is no object to be read back."""
        return () if sent.remote_id == REMOTE_ID else self._tool.dropped(request, sent)
