"""Finding runs by anything that is known of them, page by page, newest first, in bounded time.

Text, sources and source ids are words in one index over the reports, which are written once; tickets are found by an
index of a few bytes for each block of effects; held and dead runs have small indexes of their own. What has no index
(kind, severity, who decided, stage, cost) is looked for in the newest `WINDOW` runs from the page's beginning on; then
the answer says how far it looked, and from where the next look goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import exc, func

from triage import errors
from triage.model import Checkpoint, Stage, Status
from triage.pipeline import BEFORE
from triage.store.database import TRANSIENT, Database
from triage.store.tables import decision, effect, report, reservation, run

WINDOW = 50_000
COUNTED = 1_000
PATIENCE = timedelta(seconds=5)
TICKETS = 100


class TooWide(errors.TriageError):
    """The search took longer than it may; a narrower one is faster."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Every given part must hold. `words` are looked for at the beginning of words of the title and the source id.

    `ticket` is an id or an address in the other system, exactly as it is there. `cost` is in micro-USD, and means more.
    """

    words: str = ""
    run_id: UUID | None = None
    source: str = ""
    source_id: str = ""
    ticket: str = ""
    statuses: tuple[Status, ...] = ()
    stage: Stage | None = None
    kind: str = ""
    severity: str = ""
    decided_by: str = ""
    since: datetime | None = None
    until: datetime | None = None
    cost: int | None = None

    @property
    def windowed(self) -> bool:
        """Whether part of it has no index of its own."""
        indexed = self.words or self.source or self.source_id or self.ticket or self.run_id
        return not indexed and bool(self.kind or self.severity or self.decided_by or self.cost or self.stage)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last run of a page: the next page begins after it."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """The ids of one page, newest first. `older` leads to the next; `looked_back_to` is set where the look ended."""

    ids: list[UUID] = field(default_factory=list)
    older: Cursor | None = None
    looked_back_to: datetime | None = None


class Search:
    """All methods raise `StoreUnavailable` when Postgres does not answer, and `TooWide`."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def page(self, wanted: Filter, before: Cursor | None = None, size: int = 50) -> Found:
        """One page of the runs that pass, those created before the cursor."""
        query, tickets = self._matching(wanted, before)
        rows = self._read(query.limit(size + 1))
        ids = [row.id for row in rows[:size]]
        if len(rows) > size:
            return Found(ids, Cursor(rows[size - 1].created_at, rows[size - 1].id))
        end = self._window_end(wanted, before) if wanted.windowed and not tickets else None
        return Found(ids, end, end.at if end else None)

    def count(self, wanted: Filter, most: int = COUNTED) -> int:
        """How many pass, counted up to `most` + 1; of a windowed search those in the newest window."""
        query, _ = self._matching(wanted, None)
        inner = query.limit(most + 1).subquery()
        return int(self._read(sqlalchemy.select(func.count()).select_from(inner))[0][0])

    def ids(self, wanted: Filter, most: int) -> list[UUID]:
        """The newest that pass, at most so many."""
        query, _ = self._matching(wanted, None)
        return [row.id for row in self._read(query.limit(most))]

    def titles(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        """The beginnings of the reports' titles."""
        title = func.left(report.c.content["title"].astext, 200)
        query = sqlalchemy.select(report.c.run_id, title.label("title")).where(report.c.run_id.in_(ids))
        return {row.run_id: row.title or "" for row in self._database.read(query)}

    def costs(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        """What asking models cost these runs so far, in micro-USD; those that asked nothing are not there."""
        amount = func.sum(func.coalesce(reservation.c.spent, reservation.c.reserved)).label("amount")
        query = sqlalchemy.select(reservation.c.run_id, amount).where(reservation.c.run_id.in_(ids))
        return {row.run_id: int(row.amount) for row in self._database.read(query.group_by(reservation.c.run_id))}

    def statuses(self, ids: Sequence[UUID]) -> dict[Status, int]:
        """How many of these runs have which status now."""
        query = sqlalchemy.select(run.c.status, func.count().label("runs")).where(run.c.id.in_(ids))
        return {Status(row.status): row.runs for row in self._database.read(query.group_by(run.c.status))}

    def _matching(self, wanted: Filter, before: Cursor | None) -> tuple[sqlalchemy.Select[Any], bool]:
        """The runs that pass, newest first; and whether some were found as tickets."""
        base = _window(wanted, before) if wanted.windowed else run
        tickets = self._by_ticket(wanted.ticket) if wanted.ticket else []
        conditions = [*_times(base, wanted, before), *_facets(base, wanted), *_words(base, wanted)]
        conditions += [base.c.id.in_(tickets)] if wanted.ticket else []
        query = sqlalchemy.select(base.c.id, base.c.created_at).where(*conditions)
        return query.order_by(base.c.created_at.desc(), base.c.id.desc()), bool(tickets)

    def _by_ticket(self, ticket: str) -> list[UUID]:
        named = (effect.c.remote_id == ticket) | (effect.c.remote_url == ticket)
        rows = self._read(sqlalchemy.select(effect.c.run_id).where(named).limit(TICKETS))
        return [row.run_id for row in rows]

    def _window_end(self, wanted: Filter, before: Cursor | None) -> Cursor | None:
        """The last run that was looked at, if there are others behind it."""
        query = _newest(wanted, before).offset(WINDOW - 1).limit(2)
        rows = self._read(query)
        return Cursor(rows[0].created_at, rows[0].id) if len(rows) > 1 else None

    def _read(self, query: sqlalchemy.Select[Any]) -> Sequence[sqlalchemy.Row[Any]]:
        """Planned for exactly these values, since one plan for all would be wrong for most of them."""
        try:
            with self._database.engine.connect() as pooled:
                connection = pooled.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    connection.exec_driver_sql("set local plan_cache_mode = force_custom_plan")
                    connection.exec_driver_sql(f"set local statement_timeout = {int(PATIENCE.total_seconds() * 1000)}")
                    return connection.execute(query).all()
        except exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == "57014":  # query_canceled
                raise TooWide("this search takes too long; narrow it, by a time or a source") from None
            raise errors.StoreUnavailable(f"Postgres did not answer: {error.orig}") from error
        except TRANSIENT as error:
            raise errors.StoreUnavailable(f"Postgres did not answer: {error}") from error


def _newest(wanted: Filter, before: Cursor | None) -> sqlalchemy.Select[Any]:
    query = sqlalchemy.select(run).where(*_times(run, wanted, before))
    return query.order_by(run.c.created_at.desc(), run.c.id.desc())


def _window(wanted: Filter, before: Cursor | None) -> Any:  # noqa: ANN401 - a subquery with the columns of `run`
    return _newest(wanted, before).limit(WINDOW).subquery("run")


def _times(base: Any, wanted: Filter, before: Cursor | None) -> list[sqlalchemy.ColumnElement[bool]]:  # noqa: ANN401
    conditions = [base.c.created_at >= wanted.since] if wanted.since else []
    conditions += [base.c.created_at < wanted.until] if wanted.until else []
    if before:
        conditions.append(sqlalchemy.tuple_(base.c.created_at, base.c.id) < sqlalchemy.tuple_(before.at, before.id))
    return conditions


def _facets(base: Any, wanted: Filter) -> list[sqlalchemy.ColumnElement[bool]]:  # noqa: ANN401
    conditions = [base.c.id == wanted.run_id] if wanted.run_id else []
    conditions += [base.c.status.in_(wanted.statuses)] if wanted.statuses else []
    conditions += [base.c.checkpoint == _checkpoint(wanted.stage)] if wanted.stage else []
    decided = {"kind": wanted.kind, "severity": wanted.severity, "decided_by": wanted.decided_by}
    if any(decided.values()):
        same = [decision.c[name] == text for name, text in decided.items() if text]
        conditions.append(sqlalchemy.exists().where(decision.c.run_id == base.c.id, *same))
    if wanted.cost is not None:
        spent = func.sum(func.coalesce(reservation.c.spent, reservation.c.reserved))
        conditions.append(
            sqlalchemy.select(spent).where(reservation.c.run_id == base.c.id).scalar_subquery() > wanted.cost
        )
    return conditions


def _words(base: Any, wanted: Filter) -> list[sqlalchemy.ColumnElement[bool]]:  # noqa: ANN401
    """Conditions on the index over the reports; see migration 0008."""
    found: sqlalchemy.ColumnElement[Any] = func.report_words(report.c.content)
    asked = [func.report_query(wanted.words)] if wanted.words else []
    asked += [func.report_lexeme("@", wanted.source)] if wanted.source else []
    asked += [func.report_lexeme("#", wanted.source_id)] if wanted.source_id else []
    if not asked:
        return []
    hits = [found.op("@@", is_comparison=True)(one) for one in asked]
    return [sqlalchemy.exists().where(report.c.run_id == base.c.id, *hits)]


def _checkpoint(stage: Stage) -> Checkpoint:
    return BEFORE[stage]
