"""Finding runs by anything that is known of them, page by page, newest first, in bounded time.

Text, sources and source ids are words in one index over the reports, which are written once; tickets are found by an
index of a few bytes for each block of effects; held and dead runs have small indexes of their own. What has no index
(kind, severity, who decided, stage, cost), or is too common for it, is looked for in the newest `WINDOW` runs from the
page's beginning on; then the answer says how far it looked, and from where the next look goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
TEXT_WINDOW = 10_000
"""The same for words that many reports have: splitting a title takes longer than comparing a name."""
FEW = 5_000
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

    def way(self, wanted: Filter) -> "Way":
        """How to look. Words that many reports have are met soon among the newest; those of few come from the index."""
        if wanted.ticket:
            return Way(wanted, among=self._by_ticket(wanted.ticket))
        asked = _hits(wanted)
        if asked is not None:
            few = self._read(asked.limit(FEW + 1), seq_scan=False)
            if len(few) <= FEW:
                return Way(wanted, among=[row.run_id for row in few], has_words=True)
        if wanted.run_id or (wanted.statuses and Status.DONE not in wanted.statuses):
            return Way(wanted)
        return Way(wanted, window=TEXT_WINDOW if wanted.words else WINDOW if asked is not None or _rest(wanted) else 0)

    def page(self, way: "Way", before: Cursor | None = None, size: int = 50) -> Found:
        """One page of the runs that pass, those created before the cursor."""
        rows = self._read(way.matching(before).limit(size + 1))
        ids = [row.id for row in rows[:size]]
        if len(rows) > size:
            return Found(ids, Cursor(rows[size - 1].created_at, rows[size - 1].id))
        end = self._end(way, before) if way.window else None
        return Found(ids, end, end.at if end else None)

    def count(self, way: "Way", most: int = COUNTED) -> int:
        """How many pass, counted up to `most` + 1; of a windowed search those in the newest window."""
        if way.window and not _rest(way.wanted):
            return most + 1  # the index had more than enough
        inner = way.matching(None).limit(most + 1).subquery()
        return int(self._read(sqlalchemy.select(func.count()).select_from(inner))[0][0])

    def ids(self, way: "Way", most: int) -> list[UUID]:
        """The newest that pass, at most so many; of a windowed search those in the newest window."""
        return [row.id for row in self._read(way.matching(None).limit(most))]

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

    def _by_ticket(self, ticket: str) -> list[UUID]:
        named = (effect.c.remote_id == ticket) | (effect.c.remote_url == ticket)
        rows = self._read(sqlalchemy.select(effect.c.run_id).where(named).limit(TICKETS))
        return [row.run_id for row in rows]

    def _end(self, way: "Way", before: Cursor | None) -> Cursor | None:
        """The last run that was looked at, if there are others behind it."""
        rows = self._read(_newest(way.wanted, before).offset(way.window - 1).limit(2))
        return Cursor(rows[0].created_at, rows[0].id) if len(rows) > 1 else None

    def _read(self, query: sqlalchemy.Select[Any], *, seq_scan: bool = True) -> Sequence[sqlalchemy.Row[Any]]:
        """Planned for exactly these values, since one plan for all would be wrong for most of them."""
        try:
            with self._database.engine.connect() as pooled:
                connection = pooled.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    connection.exec_driver_sql("set local plan_cache_mode = force_custom_plan")
                    connection.exec_driver_sql(f"set local statement_timeout = {PATIENCE // timedelta(milliseconds=1)}")
                    connection.exec_driver_sql(f"set local enable_seqscan = {seq_scan}")
                    return connection.execute(query).all()
        except exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", "") == "57014":  # query_canceled
                raise TooWide("this search takes too long; narrow it, by a time or a source") from None
            raise errors.StoreUnavailable(f"Postgres did not answer: {error.orig}") from error
        except TRANSIENT as error:
            raise errors.StoreUnavailable(f"Postgres did not answer: {error}") from error


@dataclass(frozen=True, slots=True)
class Way:
    """How a filter is looked for: among these runs (which may be known to have the words), or from the newest on.

    A `window` that is not 0 is how many of the newest are looked through.
    """

    wanted: Filter
    among: Sequence[UUID] | None = None
    has_words: bool = False
    window: int = 0

    def matching(self, before: Cursor | None) -> sqlalchemy.Select[Any]:
        """The runs that pass, newest first."""
        wanted = self.wanted
        base: Any = _newest(wanted, before).limit(self.window).subquery("run") if self.window else run
        conditions = [*_times(base, wanted, before), *_facets(base, wanted)]
        if self.among is not None:
            ids = sqlalchemy.cast(list(self.among), sqlalchemy.ARRAY(sqlalchemy.Uuid))
            conditions.append(base.c.id == func.any(ids))
        conditions += [] if self.has_words else _plainly(base, wanted)
        query = sqlalchemy.select(base.c.id, base.c.created_at).where(*conditions)
        return query.order_by(base.c.created_at.desc(), base.c.id.desc())


def _newest(wanted: Filter, before: Cursor | None) -> sqlalchemy.Select[Any]:
    query = sqlalchemy.select(run).where(*_times(run, wanted, before))
    return query.order_by(run.c.created_at.desc(), run.c.id.desc())


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


def _hits(wanted: Filter) -> sqlalchemy.Select[Any] | None:
    """The runs whose reports have these words, from the index over them; see migration 0008."""
    asked = [func.report_query(wanted.words)] if wanted.words else []
    asked += [func.report_lexeme("@", wanted.source)] if wanted.source else []
    asked += [func.report_lexeme("#", wanted.source_id)] if wanted.source_id else []
    found: sqlalchemy.ColumnElement[Any] = func.report_words(report.c.content)
    hits = [found.op("@@", is_comparison=True)(one) for one in asked]
    return sqlalchemy.select(report.c.run_id).where(*hits) if hits else None


def _rest(wanted: Filter) -> bool:
    """Whether anything is asked for beside words, sources and source ids."""
    return replace(wanted, words="", source="", source_id="") != Filter()


def _plainly(base: Any, wanted: Filter) -> list[sqlalchemy.ColumnElement[bool]]:  # noqa: ANN401
    """The same, run by run."""
    conditions = [base.c.source == wanted.source] if wanted.source else []
    conditions += [func.lower(base.c.source_id) == wanted.source_id.lower()] if wanted.source_id else []
    if wanted.words:
        has = func.report_words(report.c.content).op("@@", is_comparison=True)(func.report_query(wanted.words))
        conditions.append(sqlalchemy.exists().where(report.c.run_id == base.c.id, has))
    return conditions


def _checkpoint(stage: Stage) -> Checkpoint:
    return BEFORE[stage]
