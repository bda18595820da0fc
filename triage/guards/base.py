"""What all guards share: a guard is a tool that asks something before it lets its tool send."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

import structlog

from triage import errors, telemetry
from triage.model import Finding, LiveValues, Marked, Request, Sent, ToolSpec, ticket_in
from triage.model.tickets import Page, Standing
from triage.ports import Tool

log = structlog.get_logger()


class Guard:
    """Passes everything on; each guard overrides `send`. Looking at the other system changes nothing, so it is free."""

    def __init__(self, tool: Tool) -> None:
        """Touches nothing."""
        self._tool = tool
        self._spec = tool.spec

    @property
    def spec(self) -> ToolSpec:
        """The tool's."""
        return self._spec

    def render(self, request: Request) -> bytes:
        """As the tool does."""
        return self._tool.render(request)

    def send(self, request: Request) -> Sent:
        """As the tool does."""
        return self._tool.send(request)

    def find(self, request: Request) -> Sent | None:
        """As the tool does."""
        return self._tool.find(request)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """As the tool does."""
        return self._tool.dropped(request, sent)

    def values(self, deadline: float) -> LiveValues:
        """As the tool does."""
        return self._tool.values(deadline)

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """As the tool does."""
        return self._tool.marked(since, deadline)

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:
        """As the tool does."""
        return self._tool.changed(target, since, after, deadline)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """As the tool does."""
        return self._tool.preflight(deadline)

    def placed(self, request: Request) -> Request:
        """The request as it is judged and limited: a comment goes where its ticket is."""
        return replace(request, target=ticket_in(request.target)[0]) if self.spec.beside else request


def aside(tool: str, keep: Callable[[], None]) -> None:
    """Keep books after a call: whatever goes wrong with them, what became of the call is what must be told."""
    try:
        keep()
    except errors.StoreUnavailable as error:
        log.warning(telemetry.GUARD_BOOKS_FAILED, tool=tool, why=str(error))
    except Exception:  # a bug in the books must not make a confirmed call an unknown one
        log.exception(telemetry.GUARD_BOOKS_FAILED, tool=tool)
