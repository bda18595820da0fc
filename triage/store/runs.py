"""Reading runs: one in full, many in a table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy
from pydantic import BaseModel, ConfigDict

from triage import errors
from triage.model import Checkpoint, EffectState, Stage, Status
from triage.store.database import Database
from triage.store.tables import approval, attempt, decision, effect, event, process, report, run, standing_correction


class View(BaseModel):
    """Base of what is shown to people and machines; `model_dump(mode="json")` is the `--json` form."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class RunLine(View):
    """A run in one line. Times are aware; `ticket` and `notice` are links or ids, None until they are confirmed."""

    id: UUID
    source: str
    source_id: str
    report_kind: str
    status: Status
    checkpoint: Checkpoint
    kind: str | None
    severity: str | None
    decided_by: str | None
    ticket: str | None
    notice: str | None
    reason: str | None
    waits_on: str | None
    due: datetime
    attempt: int
    fence: int
    created_at: datetime
    finished_at: datetime | None


DASHES = 3
"""In a W3C traceparent."""


def traces_of(*parents: str | None) -> tuple[str, ...]:
    """The trace ids (32 digits) of some traceparents, each once, in order."""
    return tuple(dict.fromkeys(parent.split("-")[1] for parent in parents if parent and parent.count("-") == DASHES))


class AttemptView(View):
    """One try of a stage. `seconds` is None for one that died with its process, `trace` is its W3C traceparent."""

    stage: Stage
    number: int
    fence: int
    outcome: str
    error: str | None
    seconds: float | None
    ended_at: datetime
    process_id: UUID
    trace: str | None


class EffectView(View):
    """One outbound call and what is known of it. `dropped` is what the other system left out of it."""

    stage: Stage
    number: int
    tool: str
    target: str
    state: str
    remote_id: str | None
    remote_url: str | None
    sent_at: datetime | None
    error: str | None
    dropped: list[str]
    policy: str | None
    content: dict[str, Any]


class EventView(View):
    """What a person did to the run."""

    at: datetime
    what: str
    detail: dict[str, Any]


class HoldView(View):
    """A call whose outcome is unknown and that waits for a person; its `key` (hexadecimal) is what to look for."""

    run_id: UUID
    fence: int
    stage: Stage
    tool: str
    target: str
    key: str
    sent_at: datetime | None
    reason: str


class RunStory(View):
    """Everything known of a run."""

    run: RunLine
    report: dict[str, Any]
    decision: dict[str, Any] | None
    attempts: list[AttemptView]
    effects: list[EffectView]
    events: list[EventView]
    waits_for_leave: int | None
    """The number of the approval that the run waits for."""

    @property
    def traces(self) -> tuple[str, ...]:
        """The ids of its attempts' traces."""
        return traces_of(*(one.trace for one in self.attempts))

    corrections: dict[str, str]
    """What fields of the decision should have been, as people said last."""


class Runs:
    """Queries over the tables; nothing here changes anything."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def get(self, run_id: UUID) -> RunLine:
        """One run.

        Raises:
            RunNotFound: no run has this id.
        """
        found = self._lines(_LINES.where(run.c.id == run_id))
        if not found:
            raise errors.RunNotFound(f"there is no run {run_id}")
        return found[0]

    def story(self, run_id: UUID) -> RunStory:
        """One run with its report, decision, attempts, effects and events."""
        line = self.get(run_id)
        return RunStory(
            run=line,
            report=self._content(report, run_id) or {},
            decision=self._content(decision, run_id),
            attempts=[AttemptView.model_validate(row) for row in self._of(attempt, run_id, attempt.c.fence)],
            effects=[
                EffectView.model_validate(row) for row in self._of(effect, run_id, effect.c.stage, effect.c.number)
            ],
            events=[EventView.model_validate(row) for row in self._of(event, run_id, event.c.id)],
            waits_for_leave=self._pending_approval(run_id),
            corrections={row.field: row.value for row in self._of(standing_correction, run_id)},
        )

    def _pending_approval(self, run_id: UUID) -> int | None:
        query = sqlalchemy.select(approval.c.id).where(approval.c.run_id == run_id, approval.c.state == "pending")
        rows = self._database.read(query)
        return rows[0].id if rows else None

    def lines(
        self,
        *,
        ids: Sequence[UUID] = (),
        statuses: Sequence[Status] = (),
        source: str | None = None,
        source_id: str | None = None,
        limit: int = 50,
    ) -> list[RunLine]:
        """Runs, newest first, that pass every given filter."""
        query = _LINES.order_by(run.c.created_at.desc(), run.c.id.desc()).limit(limit)
        query = query.where(run.c.id.in_(ids)) if ids else query
        query = query.where(run.c.status.in_(statuses)) if statuses else query
        query = query.where(run.c.source == source) if source else query
        query = query.where(run.c.source_id == source_id) if source_id else query
        return self._lines(query)

    def holds(self, limit: int = 500) -> list[HoldView]:
        """What waits for a person to find out what happened, the longest waiting first."""
        query = (
            sqlalchemy.select(
                run.c.id.label("run_id"),
                run.c.fence,
                run.c.reason,
                effect.c.stage,
                effect.c.tool,
                effect.c.target,
                effect.c.sent_at,
                sqlalchemy.func.encode(effect.c.key, "hex").label("key"),
            )
            .join_from(run, effect, effect.c.run_id == run.c.id)
            .where(run.c.status == sqlalchemy.literal_column("'held'"), effect.c.state == EffectState.UNKNOWN)
            .order_by(effect.c.sent_at)
            .limit(limit)
        )
        return [HoldView.model_validate(row) for row in self._database.read(query)]

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """How many of these runs still go on by themselves."""
        query = sqlalchemy.select(sqlalchemy.func.count()).where(run.c.id.in_(ids), run.c.status == Status.ACTIVE)
        return int(self._database.read(query)[0][0])

    def workers(self) -> list[str]:
        """The names of the processes that were seen in the last seconds."""
        recent = process.c.seen_at > sqlalchemy.func.now() - sqlalchemy.text("interval '4 seconds'")
        return [row.name for row in self._database.read(sqlalchemy.select(process.c.name).where(recent))]

    def _lines(self, query: sqlalchemy.Select[Any]) -> list[RunLine]:
        return [RunLine.model_validate(row) for row in self._database.read(query)]

    def _content(self, table: sqlalchemy.Table, run_id: UUID) -> dict[str, Any] | None:
        rows = self._database.read(sqlalchemy.select(table.c.content).where(table.c.run_id == run_id))
        return rows[0][0] if rows else None

    def _of(
        self, table: sqlalchemy.Table, run_id: UUID, *order: sqlalchemy.Column[Any]
    ) -> Sequence[sqlalchemy.Row[Any]]:
        return self._database.read(sqlalchemy.select(table).where(table.c.run_id == run_id).order_by(*order))


def _object(stage: Stage) -> sqlalchemy.ScalarSelect[Any]:
    """The link (or id) of a stage's first confirmed object: of a ticket, or of the comment in place of one."""
    link = sqlalchemy.func.coalesce(sqlalchemy.func.nullif(effect.c.remote_url, ""), effect.c.remote_id)
    return (
        sqlalchemy.select(link)
        .where(effect.c.run_id == run.c.id, effect.c.stage == stage, effect.c.state == EffectState.CONFIRMED)
        .order_by(effect.c.number)
        .limit(1)
        .scalar_subquery()
    )


_LINES = sqlalchemy.select(
    run.c.id,
    run.c.source,
    run.c.source_id,
    run.c.report_kind,
    run.c.status,
    run.c.checkpoint,
    decision.c.kind,
    decision.c.severity,
    decision.c.decided_by,
    _object(Stage.CREATE_TICKET).label("ticket"),
    _object(Stage.NOTIFY).label("notice"),
    run.c.reason,
    run.c.waits_on,
    run.c.due,
    run.c.attempt,
    run.c.fence,
    run.c.created_at,
    run.c.finished_at,
).select_from(run.outerjoin(decision, decision.c.run_id == run.c.id))
