"""What people see of the tools, and what they do to them: switches, breakers, duplicates."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import errors
from triage.store.database import Database
from triage.store.runs import View
from triage.store.shared import FRESH
from triage.store.tables import duplicate, tool_event

ALL = "*"


class ToolView(View):
    """A tool as all workers see it; `open_for` is how long its breaker still keeps everybody away."""

    tool: str
    switched_off: str
    failures: int
    tripped: bool
    open_for: timedelta
    last_error: str


class DuplicateView(View):
    """Objects of one tool that carry the same key: a broken promise."""

    tool: str
    key: str
    remote_ids: list[str]
    found_at: datetime


class ToolEvent(View):
    """What befell a tool, or what a person did to it."""

    tool: str
    at: datetime
    what: str
    detail: dict[str, Any]


class ToolBox:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database, by: str) -> None:
        """`by` says who does it."""
        self._database = database
        self._by = by

    def views(self, names: Sequence[str]) -> list[ToolView]:
        """These tools, and every other one that something is known of."""
        rows = {row.tool: row for row in self._database.all("tool_states", {})}
        return [_view(name, rows.get(name)) for name in sorted({*names, *rows})]

    def disable(self, tool: str, why: str) -> None:
        """Put a tool (`*`: all) out of service within a second, in every worker; what is under way ends as it ends."""
        self._switch(tool, f"by {self._by}" + (f": {why}" if why else ""), why)

    def enable(self, tool: str, why: str = "") -> int:
        """Put a tool back in service; how many runs that waited are looked at again now."""
        return self._switch(tool, None, why)

    def close_breaker(self, tool: str) -> None:
        """Let calls through before the breaker has cooled down; raises NotAllowed if it is not open."""
        if self._database.one("tool_close", {"tool": tool, "detail": Jsonb({"by": self._by})}) is None:
            raise errors.NotAllowed(f"the breaker of {tool} is closed, and nothing failed")

    def events(self, limit: int = 50) -> list[ToolEvent]:
        """The newest first."""
        rows = self._database.read(sqlalchemy.select(tool_event).order_by(tool_event.c.id.desc()).limit(limit))
        return [ToolEvent.model_validate(row) for row in rows]

    def duplicates(self, limit: int = 100) -> list[DuplicateView]:
        """What the sweep found, the newest first."""
        query = sqlalchemy.select(duplicate).order_by(duplicate.c.found_at.desc()).limit(limit)
        return [DuplicateView.model_validate(row) for row in self._database.read(query)]

    def _switch(self, tool: str, switched_off: str | None, why: str) -> int:
        detail = Jsonb({"by": self._by, "why": why})
        given = {"tool": tool, "switched_off": switched_off, "detail": detail, "fresh": timedelta(seconds=FRESH)}
        row = self._database.one("tool_switch", given)
        return int(row.woken) if row else 0


def _view(name: str, row: Any) -> ToolView:  # noqa: ANN401 - a row, or none
    if row is None:
        return ToolView(tool=name, switched_off="", failures=0, tripped=False, open_for=timedelta(), last_error="")
    return ToolView(
        tool=name,
        switched_off=row.switched_off or "",
        failures=row.failures,
        tripped=row.tripped,
        open_for=row.open_for or timedelta(),
        last_error=row.last_error or "",
    )
