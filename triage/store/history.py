"""What happened, in order: to one run, or in a time to all of them.

What is read here is only ever added to: reports, attempts, asks of models, events, approvals. Two things are
overwritten and so known only as they are now: an effect's row has its last state and the time it was last sent (its
attempts say what happened before), and a run's reason is the last one (those before stand at its attempts).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from triage import errors
from triage.model import Json
from triage.store.database import Database, Row

MOST_ENTRIES = 2_000
"""Of one run; what is later is left out."""
MOST_RUNS = 200
MOST_TOOL_EVENTS = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `cost` is in micro-USD; `link` leads to what was made.

    `what` is one of these, each with its own `outcome` and `detail`:

    - received: the report came in (source, source_id, title; parent of a fork)
    - ask: a model (`tool`) was asked; settled, open or unaccounted (prompt, requests, input_tokens, output_tokens)
    - attempt: a try of `stage` by a worker (`who`) with `tool`; finished, retry, held, dead or lost (seconds, attempt,
      target, dropped, policy, trace; decision of the triage stage). A finished one with a `reason` was refused by a
      guard, and the run went on without it
    - approval: leave was asked for, or used (approval, people)
    - event: what a person (`who`) did
    - call: a call that is under way now, or whose outcome is unknown now (target, deadline, not_before)
    - tool: what befell the run's tools meanwhile, or what a person did to them
    - ended: the run is done
    """

    at: datetime
    what: str
    stage: str | None = None
    who: str | None = None
    tool: str | None = None
    outcome: str | None = None
    reason: str | None = None
    cost: int | None = None
    link: str | None = None
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Count:
    """So many of one kind, told by `name` and `what`.

    The kinds: `received` by source, `attempt` by stage and outcome (`refused`: by a guard), `decided` by decider and
    kind, `done`, `asked` by model with its cost (`amount`, micro-USD), `event` by what people did, `approval`.
    """

    kind: str
    name: str
    what: str
    number: int
    amount: int


@dataclass(frozen=True, slots=True)
class Touched:
    """A run, and what happened to it in the time that was asked about.

    `at` is when it first did. `tried` are stage, outcome and error of its attempts, `events` what people did and who.
    """

    at: datetime
    run_id: UUID
    source: str
    source_id: str
    title: str
    status: str
    received: bool
    kind: str | None
    severity: str | None
    decided_by: str | None
    ticket: str | None
    cost: int
    tried: tuple[tuple[str, str, str | None], ...]
    events: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class During:
    """What was done from `since` until `until` (not included) over all runs; `left_out` runs are only in the counts."""

    since: datetime
    until: datetime
    counts: tuple[Count, ...]
    runs: tuple[Touched, ...]
    left_out: int
    tools: tuple[Entry, ...]


class History:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def of(self, run_id: UUID) -> list[Entry]:
        """Everything that happened to a run, in order, at most `MOST_ENTRIES`.

        Raises:
            RunNotFound: no run has this id.
        """
        rows = self._database.all("history_run", {"run_id": run_id, "limit": MOST_ENTRIES})
        if not rows:
            raise errors.RunNotFound(f"there is no run {run_id}")
        return [Entry(*row) for row in rows]

    def during(self, since: datetime, until: datetime, limit: int = MOST_RUNS) -> During:
        """What was done in this time (aware), with at most `limit` runs one by one."""
        span = {"since": since, "until": until}
        runs = self._database.all("history_runs", span | {"limit": limit})
        tools = self._database.all("history_tools", span | {"limit": MOST_TOOL_EVENTS})
        return During(
            since=since,
            until=until,
            counts=tuple(Count(*row) for row in self._database.all("history_counts", span)),
            runs=tuple(_touched(row) for row in runs),
            left_out=(int(runs[0].touched) if runs else 0) - len(runs),
            tools=tuple(_tool(row) for row in tools),
        )


def _touched(row: Row) -> Touched:
    return Touched(
        at=row.at,
        run_id=row.id,
        source=row.source,
        source_id=row.source_id,
        title=row.title or "",
        status=row.status,
        received=row.received,
        kind=row.kind,
        severity=row.severity,
        decided_by=row.decided_by,
        ticket=row.ticket,
        cost=row.cost,
        tried=_tuples(row.tried),
        events=_tuples(row.events),
    )


def _tuples(rows: Sequence[Sequence[str | None]] | None) -> tuple:  # type: ignore[type-arg]
    return tuple(tuple(row) for row in rows or ())


def _tool(row: Row) -> Entry:
    return Entry(row.at, "tool", who=row.who, tool=row.tool, outcome=row.what, reason=row.reason)
