"""What stands in the place of a tool that there is not, such as one for refunds.

It refuses because a decision may propose anything, and only what a tool was set up for can happen. It has no store.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from triage.errors import GuardRefused
from triage.model import Finding, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.model.tickets import Page, Standing

RULE = "follow_ups.kinds"
LONGEST_KIND = 64


class NoSuchTool:
    """A `Tool` that makes nothing, ever."""

    def __init__(self, name: str) -> None:
        """`name` is under which it stands in for the others."""
        self._spec = ToolSpec(name, ToolClass.BLIND, timeout=timedelta(seconds=1))

    @property
    def spec(self) -> ToolSpec:
        """Blind, since there is nothing that could be asked."""
        return self._spec

    def render(self, request: Request) -> bytes:  # noqa: ARG002 - a tool's signature
        """Nothing."""
        return b""

    def send(self, request: Request) -> Sent:
        """Raises `GuardRefused`, naming the kind that was proposed."""
        raise GuardRefused(no_tool_for(request.content.get("follow_up", request.target)), RULE)

    def find(self, request: Request) -> Sent | None:  # noqa: ARG002 - a tool's signature
        """Nothing was ever made."""
        return None

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - a tool's signature
        """Nothing was ever made."""
        return ()

    def values(self, deadline: float) -> LiveValues:  # noqa: ARG002 - a tool's signature
        """Nothing is known."""
        return LiveValues()

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:  # noqa: ARG002 - a tool's signature
        """Nothing was ever made."""
        return ()

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:  # noqa: ARG002 - a tool's signature
        """Nothing was ever made."""
        return Page()

    def preflight(self, deadline: float) -> Iterable[Finding]:  # noqa: ARG002 - a tool's signature
        """Nothing can be checked."""
        return ()


def no_tool_for(kind: object) -> str:
    """Why it is refused, in words; `kind` may be anything that a model made up."""
    return f"there is no tool for {str(kind)[:LONGEST_KIND]!r}"
