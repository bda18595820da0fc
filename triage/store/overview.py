"""What pages, metrics and alerts read of the whole: how things stand now, how they went, and totals since ever.

Everything here stays fast however many runs there are: finished work is read from the tally, unfinished work from the
partial indexes that hold nothing else. All methods raise `StoreUnavailable` when Postgres does not answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from triage import pipeline
from triage.model import Checkpoint, Stage
from triage.store.database import Database, Row
from triage.store.postgres import PROCESS_TTL
from triage.store.tally import FRESH_EDGES, STAGE_EDGES, Grain, Tally, Total

CROWD = 100_000
"""So many unfinished runs of a status are counted one by one, and no more."""
MINUTES_UP_TO = timedelta(hours=24)
"""What is shown of a longer time is added up by the hour."""
_SHOWN = ("run", "attempt", "seconds", "timeout", "model")
_ZERO = timedelta()
_STAGE_AT = {str(checkpoint): str(stage) for stage, checkpoint in pipeline.BEFORE.items()}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Unfinished runs of one kind: how many, the earliest `due`, and the age of the oldest since it became due.

    `stage` is the one that comes next. `waits_on` is `worker` (claimed: somebody works on it), `relay`, `tool`,
    `quarantine`, `switch` or `person`. For a held or dead run `oldest` is how long it has been so.
    """

    status: str
    stage: str
    waits_on: str
    runs: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process that was seen in the last seconds."""

    name: str
    pid: int
    stages: tuple[str, ...]
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class ToolNow:
    """A tool that something is known of. `switched_off` says by whom and why; `open_for` is the breaker's."""

    tool: str
    switched_off: str
    open_for: timedelta
    failures: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand at `at`, by the database's clock. Money is in micro-USD.

    `runs` of status active, held and dead are counted up to `CROWD` each; `crowded` says that there are more.
    `oldest_due` is for how long the oldest active run that nobody works on has been due (zero: none is).
    `effects` counts the calls of unfinished runs by tool and state. `leader` is the worker whose relay rings.
    """

    at: datetime
    runs: tuple[Waiting, ...]
    crowded: bool
    oldest_due: timedelta
    oldest_held: timedelta
    oldest_dead: timedelta
    workers: tuple[Worker, ...]
    tools: tuple[ToolNow, ...]
    effects: Mapping[tuple[str, str], int]
    approvals: int
    unaccounted: int
    taken_today: int
    taken_month: int
    limit_today: int | None
    limit_month: int | None
    duplicates: int
    leader: str
    rings: int

    def count(self, status: str) -> int:
        """How many runs have this status (active, held or dead)."""
        return sum(one.runs for one in self.runs if one.status == status)


@dataclass(frozen=True, slots=True)
class StagePoint:
    """One stage in one interval: attempts by outcome, and how long they took (seconds; None if none ended)."""

    at: datetime
    finished: int = 0
    retried: int = 0
    failed: int = 0
    lost: int = 0
    timeouts: int = 0
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class RunPoint:
    """All runs in one interval: how many came in and came to an end, and what models cost (micro-USD)."""

    at: datetime
    received: int = 0
    done: int = 0
    held: int = 0
    dead: int = 0
    cancelled: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """`points` intervals of equal length `step` from `since` to `until`; those in which nothing happened are there.

    `totals` is each stage over the whole time, with p50 and p95 over the whole time.
    """

    since: datetime
    until: datetime
    step: timedelta
    runs: tuple[RunPoint, ...]
    stages: Mapping[str, tuple[StagePoint, ...]]
    totals: Mapping[str, StagePoint]


@dataclass(frozen=True, slots=True)
class Objective:
    """What objectives are judged by, over a window.

    Of the runs that ended in it: `done`, of these `fresh` within the given time of their creation, `dead` and
    `cancelled`. `received` came in. `overdue` are unfinished now and older than the given time, whoever they wait for.
    """

    received: int
    done: int
    fresh: int
    dead: int
    held: int
    cancelled: int
    overdue: int


class Overview:
    """Queries over the tally and the unfinished runs; nothing here changes anything."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database
        self._tally = Tally(database)

    def now(self, limit_today: int | None = None, limit_month: int | None = None) -> Now:
        """How things stand; the limits (micro-USD) are those that are set, and are only passed through."""
        rest = self._database.one("overview_rest", {})
        if rest is None:
            raise AssertionError("single numbers are one row")
        runs = tuple(_waiting(row) for row in self._database.all("overview_runs", {"crowd": CROWD}))
        calls = self._database.all("overview_effects", {"crowd": CROWD})
        effects = {(row.tool, row.state): int(row.calls) for row in calls}
        return Now(
            at=rest.at,
            runs=runs,
            crowded=any(_runs(runs, status) >= CROWD for status in ("active", "held", "dead")),
            oldest_due=_oldest(one for one in runs if one.status == "active" and one.waits_on != "worker"),
            oldest_held=_oldest(one for one in runs if one.status == "held"),
            oldest_dead=_oldest(one for one in runs if one.status == "dead"),
            workers=self.workers(),
            tools=self._tools(effects),
            effects=effects,
            approvals=rest.approvals,
            unaccounted=rest.unaccounted,
            taken_today=rest.taken_today,
            taken_month=rest.taken_month,
            limit_today=limit_today,
            limit_month=limit_month,
            duplicates=rest.duplicates,
            leader=rest.leader,
            rings=rest.rings,
        )

    def workers(self) -> tuple[Worker, ...]:
        """The processes that were seen in time, by name."""
        rows = self._database.all("overview_workers", {"ttl": PROCESS_TTL})
        return tuple(Worker(row.name, row.pid, tuple(row.stages), row.started_at, row.seen_at) for row in rows)

    def series(self, since: datetime, until: datetime, points: int = 60) -> Series:
        """How it went from `since` to `until` (aware), in at most so many intervals of whole minutes or hours.

        `since` counts from the beginning of its minute, or of its hour (UTC) if the time is longer than a day.
        """
        grain, first, step = _intervals(since, until, points)
        rows = self._tally.series(grain, first, until, step, _SHOWN)
        starts = [first + step * number for number in range(-(-(until - first) // step))]
        stages, totals = _stage_points(rows, starts), _stage_totals(rows, first)
        return Series(first, until, step, _run_points(rows, starts), stages, totals)

    def objectives(self, since: datetime, until: datetime, within: timedelta) -> Objective:
        """Counts for completeness and freshness; `within` counts as the longest of `FRESH_EDGES` not above it."""
        grain, first, _ = _intervals(since, until, 1)
        rows = self._tally.series(grain, first, until, until - first, ("run", "lasted"))
        ended = {row.what: int(row.number) for row in rows if row.kind == "run"}
        within_edge = {str(edge) for edge in FRESH_EDGES if edge <= within.total_seconds()}
        late = self._database.one("overview_overdue", {"within": within, "crowd": CROWD})
        return Objective(
            received=ended.get("received", 0),
            done=ended.get("done", 0),
            fresh=sum(int(row.number) for row in rows if row.kind == "lasted" and row.what in within_edge),
            dead=ended.get("dead", 0),
            held=ended.get("held", 0),
            cancelled=ended.get("cancelled", 0),
            overdue=int(late.overdue) if late else 0,
        )

    def totals(self) -> Sequence[Total]:
        """Everything that was ever counted; none of these numbers ever goes down."""
        return self._tally.totals()

    def _tools(self, effects: Mapping[tuple[str, str], int]) -> tuple[ToolNow, ...]:
        states = {row.tool: row for row in self._database.all("tool_states", {})}
        unknown = {tool: number for (tool, state), number in effects.items() if state == "unknown"}
        return tuple(_tool(name, states.get(name), unknown.get(name, 0)) for name in sorted({*states, *unknown}))


def _waiting(row: Row) -> Waiting:
    stage = _STAGE_AT.get(row.checkpoint, str(Checkpoint.DONE))
    return Waiting(row.status, stage, row.waits_on, int(row.runs), row.oldest)


def _runs(runs: Iterable[Waiting], status: str) -> int:
    return sum(one.runs for one in runs if one.status == status)


def _oldest(runs: Iterable[Waiting]) -> timedelta:
    return max((one.oldest for one in runs), default=_ZERO)


def _tool(name: str, row: Row | None, unknown: int) -> ToolNow:
    if row is None:
        return ToolNow(name, "", _ZERO, 0, unknown)
    return ToolNow(name, row.switched_off or "", row.open_for or _ZERO, row.failures, unknown)


def _intervals(since: datetime, until: datetime, points: int) -> tuple[Grain, datetime, timedelta]:
    """Of what the intervals are made, where the first begins, and how long each is."""
    grain: Grain = "minute" if until - since <= MINUTES_UP_TO else "hour"
    unit = timedelta(minutes=1) if grain == "minute" else timedelta(hours=1)
    first = since.astimezone(UTC).replace(second=0, microsecond=0)
    first = first if grain == "minute" else first.replace(minute=0)
    return grain, first, max(-(-(until - first) // (unit * max(points, 1))), 1) * unit


def _run_points(rows: Sequence[Row], starts: Sequence[datetime]) -> tuple[RunPoint, ...]:
    found: dict[datetime, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.kind in {"run", "model"}:
            found[row.at][row.what] = int(row.number)
    return tuple(RunPoint(at, **found.get(at, {})) for at in starts)


def _stage_points(rows: Sequence[Row], starts: Sequence[datetime]) -> dict[str, tuple[StagePoint, ...]]:
    by_stage: dict[tuple[str, datetime], list[Row]] = defaultdict(list)
    for row in rows:
        by_stage[row.stage, row.at].append(row)
    return {str(stage): tuple(_stage_point(at, by_stage.get((stage, at), ())) for at in starts) for stage in Stage}


def _stage_totals(rows: Sequence[Row], first: datetime) -> dict[str, StagePoint]:
    return {str(stage): _stage_point(first, [row for row in rows if row.stage == stage]) for stage in Stage}


def _stage_point(at: datetime, rows: Sequence[Row]) -> StagePoint:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        counts[row.kind, row.what] += int(row.number)
    tried = {what: number for (kind, what), number in counts.items() if kind == "attempt"}
    lasted = {what: number for (kind, what), number in counts.items() if kind == "seconds"}
    return StagePoint(
        at,
        finished=tried.get("finished", 0),
        retried=tried.get("retry", 0),
        failed=tried.get("held", 0) + tried.get("dead", 0),
        lost=tried.get("lost", 0),
        timeouts=counts["timeout", ""],
        p50=quantile(lasted, 0.5),
        p95=quantile(lasted, 0.95),
    )


def quantile(counts: Mapping[str, int], share: float) -> float | None:
    """The value (seconds) below which this share lies, by the counts between the edges; None if nothing was counted.

    Between two edges the values are taken to be spread evenly; what is beyond the last edge counts as that edge.
    """
    wanted, passed, lower = share * sum(counts.values()), 0, 0.0
    if not wanted:
        return None
    by_edge = {float(edge): number for edge, number in counts.items()}
    for edge in STAGE_EDGES:
        number = by_edge.get(edge, 0)
        if number and passed + number >= wanted:
            return lower + (edge - lower) * (wanted - passed) / number
        passed, lower = passed + number, edge
    return lower
