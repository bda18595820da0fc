"""The charts of Overview, out of how it went: all runs, and each stage with its attempts and how long they took."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from triage.console import charts, words
from triage.console.charts import Chart, Kind, Times
from triage.store.overview import RunPoint, Series, StagePoint

LEAST_COST = 1_000.0
"""Micro-USD up to which the scale of costs always goes: a tenth of a cent."""


@dataclass(frozen=True, slots=True)
class Range:
    """How far back it goes, in how many intervals at most, and how the time axis is labelled."""

    name: str
    title: str
    span: timedelta
    points: int
    every: timedelta
    form: str = "%H:%M"


_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
RANGES = {
    one.name: one
    for one in (
        Range("1h", "1 hour", _HOUR, 61, timedelta(minutes=15)),
        Range("6h", "6 hours", 6 * _HOUR, 73, _HOUR),
        Range("24h", "24 hours", _DAY, 49, 4 * _HOUR),
        Range("7d", "7 days", 7 * _DAY, 57, _DAY, "%a"),
        Range("30d", "30 days", 30 * _DAY, 61, 7 * _DAY, "%d %b"),
    )
}


@dataclass(frozen=True, slots=True)
class Shares:
    """A stage over the whole time: how many attempts, what share came to what, and how many were finished a minute."""

    stage: str
    attempts: int
    success: float | None
    again: float | None
    failure: float | None
    lost: float | None
    timeout: float | None
    per_minute: float
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class StageGraphs:
    """One row of small multiples."""

    shares: Shares
    attempts: Chart
    trouble: Chart
    seconds: Chart
    points: tuple[StagePoint, ...]


def times_of(series: Series, chosen: Range) -> Times:
    """The intervals that all charts share."""
    return Times(series.since, series.step, len(series.runs), chosen.every, chosen.form)


def of_runs(series: Series, times: Times) -> list[Chart]:
    """What came in, what came to an end, what it cost."""
    runs = series.runs
    received, done = _sum(runs, "received"), _sum(runs, "done")
    flow = Kind(
        "flow",
        "Came in and done",
        {"came in": ("busy", [one.received for one in runs]), "done": ("good", [one.done for one in runs])},
        _count,
        told=f"{received} runs came in and {done} were done in this time.",
    )
    names = {"held": "warn", "dead": "bad", "cancelled": "dim"}
    trouble = Kind(
        "trouble",
        "Held, given up, cancelled",
        {name: (style, [getattr(one, name) for one in runs]) for name, style in names.items()},
        _count,
        told=", ".join(f"{_sum(runs, name)} {name}" for name in names) + " in this time.",
    )
    cost = Kind(
        "cost",
        "Cost of models",
        {"cost": ("accent", [one.cost for one in runs])},
        _dollars,
        least=LEAST_COST,
        told=f"{words.dollars(_sum(runs, 'cost'))} were spent on models in this time.",
    )
    return [charts.lines(times, flow), charts.stacked(times, trouble), charts.stacked(times, cost)]


def of_stages(series: Series, times: Times) -> Iterator[StageGraphs]:
    """A row for each stage; the counts of all rows have one scale."""
    most = max((_tried(one) for points in series.stages.values() for one in points), default=0)
    for stage, points in series.stages.items():
        shares = _shares(stage, series.totals[stage], series.until - series.since)
        yield StageGraphs(
            shares,
            _attempts(stage, points, times, most),
            _trouble(stage, points, times),
            _seconds(stage, points, times, shares),
            points,
        )


def _attempts(stage: str, points: tuple[StagePoint, ...], times: Times, most: int) -> Chart:
    names = {"finished": ("finished", "good"), "again": ("retried", "warn"), "failed": ("failed", "bad")}
    series = {name: (style, [getattr(one, field) for one in points]) for name, (field, style) in names.items()}
    series["lost"] = ("dim", [one.lost for one in points])
    told = f"Attempts of {words.STAGES[stage]}: {sum(one.finished for one in points)} finished."
    return charts.stacked(times, Kind(f"{stage}-attempts", "Attempts", series, _count, most=most, told=told))


def _trouble(stage: str, points: tuple[StagePoint, ...], times: Times) -> Chart:
    failing = [_share(one.retried + one.failed + one.lost, _tried(one)) for one in points]
    waiting = [_share(one.timeouts, _tried(one)) for one in points]
    series = {"not finished": ("bad", failing), "timed out": ("warn", waiting)}
    told = f"The share of the attempts of {words.STAGES[stage]} that did not finish, and of those that timed out."
    return charts.lines(times, Kind(f"{stage}-rates", "Failure rate", series, words.percent, least=0.05, told=told))


def _seconds(stage: str, points: tuple[StagePoint, ...], times: Times, shares: Shares) -> Chart:
    series = {"p95": ("accent", [one.p95 for one in points]), "p50": ("dim", [one.p50 for one in points])}
    told = (
        f"How long attempts of {words.STAGES[stage]} took: half of them at most {words.duration(shares.p50)}, "
        f"95 of 100 at most {words.duration(shares.p95)}."
    )
    kind = Kind(f"{stage}-seconds", "Latency", series, words.duration, least=0.01, told=told)
    return charts.lines(times, kind)


def _shares(stage: str, total: StagePoint, span: timedelta) -> Shares:
    tried = _tried(total)
    return Shares(
        stage,
        tried,
        _share(total.finished, tried),
        _share(total.retried, tried),
        _share(total.failed, tried),
        _share(total.lost, tried),
        _share(total.timeouts, tried),
        total.finished / (span / timedelta(minutes=1)),
        total.p50,
        total.p95,
    )


def _tried(one: StagePoint) -> int:
    return one.finished + one.retried + one.failed + one.lost


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _sum(points: tuple[RunPoint, ...], name: str) -> int:
    return sum(int(getattr(one, name)) for one in points)


def _count(value: float) -> str:
    thousand = 1_000
    if value >= thousand:
        return f"{value / thousand:.3g}k"
    return f"{value:.3g}"


def _dollars(value: float) -> str:
    return words.dollars(round(value))
