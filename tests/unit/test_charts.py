"""What the charts say, as numbers."""

from datetime import UTC, datetime, timedelta

import pytest

from triage.alerts.standing import Events, Standing
from triage.console import charts, graphs, kept, words
from triage.console.charts import BASE, LEFT, PLOT_WIDTH, TOP, Kind, Times
from triage.console.firing import firing
from triage.store.overview import Now, RunPoint, Series, StagePoint, ToolNow, Waiting

AT = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIMES = Times(AT, MINUTE, 4, timedelta(minutes=2))


def text(value: float) -> str:
    """A value as it is."""
    return f"{value:g}"


@pytest.mark.parametrize(
    ("value", "top"),
    [(0, 1), (0.3, 0.4), (1, 1), (1.01, 2), (3, 4), (7, 8), (9, 10), (34, 40), (101, 200), (10**6, 10**6)],
)
def test_a_scale_ends_where_it_reads_well(value: float, top: float) -> None:
    """The end of the scale is the least round number that holds the value."""
    assert charts.nice(value) == pytest.approx(top)


def test_bars_stand_on_one_another() -> None:
    """The second series begins where the first one ends, and an empty interval has no bar."""
    series = {"done": ("good", [2.0, 0, 4, 0]), "dead": ("bad", [2.0, 0, 0, 0])}
    chart = charts.stacked(TIMES, Kind("c", "C", series, text))
    done, dead = chart.bars
    assert (done.path.count("M"), dead.path.count("M")) == (2, 1)
    half = round((BASE + TOP) / 2, 2)
    assert f" {BASE}V{half:.2f}h" in done.path
    assert dead.path.split(" ")[1].startswith(f"{half}V{TOP:.2f}h")
    assert [tick.text for tick in chart.y_ticks] == ["0", "2", "4"]
    assert [spot.told.split(": ")[1] for spot in chart.spots] == ["done 2, dead 2", "done 4"]


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    """Neighbours are joined, and a value alone is a dash."""
    joined, alone = (
        charts.lines(TIMES, Kind("c", "C", {"p95": ("accent", values)}, text)).lines[0].path
        for values in ([1.0, 2.0, None, None], [None, 1.0, None, 2.0])
    )
    assert (joined.count("M"), joined.count("L")) == (1, 1)
    assert (alone.count("M"), alone.count("h3"), alone.count("L")) == (2, 2, 0)


def test_a_time_axis_is_labelled_at_round_times() -> None:
    """Labels stand at multiples from midnight in the server's zone, each at its place."""
    times = Times(AT + timedelta(minutes=7), MINUTE, 60, timedelta(minutes=15))
    found = list(times.ticks())
    assert [int(tick.text[3:]) % 15 for tick in found] == [0] * len(found)
    assert len(found) == 4
    assert found[0].at == pytest.approx(LEFT + PLOT_WIDTH * 8 / 60)


def test_rates_are_shares_of_the_attempts() -> None:
    """A stage's row tells what share of all attempts came to what; without attempts there is no share."""
    point = StagePoint(AT, finished=6, retried=2, failed=1, lost=1, timeouts=2, p50=0.1, p95=0.4)
    nothing = StagePoint(AT)
    stages = {"triage": (nothing, point), "notify": (nothing, nothing)}
    series = Series(
        AT, AT + 2 * MINUTE, MINUTE, (RunPoint(AT), RunPoint(AT)), stages, {"triage": point, "notify": nothing}
    )
    times = graphs.times_of(series, graphs.RANGES["1h"])
    first, second = graphs.of_stages(series, times)
    its = first.shares
    assert (its.attempts, its.success, its.again, its.failure, its.lost, its.timeout) == (10, 0.6, 0.2, 0.1, 0.1, 0.2)
    assert its.per_minute == 3
    assert (second.shares.attempts, second.shares.success) == (0, None)
    assert first.attempts.y_ticks == second.attempts.y_ticks
    assert "not finished 40 %, timed out 20 %" in first.trouble.spots[0].told


@pytest.mark.parametrize(
    ("share", "told"), [(None, "–"), (0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.9986, "99.86 %"), (0.0004, "0.04 %")]
)
def test_a_share_is_as_exact_as_it_matters(share: float | None, told: str) -> None:
    """Near nothing and near all there are more digits."""
    assert words.percent(share) == told


@pytest.mark.parametrize(
    ("per_minute", "told"), [(0, "0 an hour"), (0.5, "30 an hour"), (2, "2 a minute"), (120, "2 a second")]
)
def test_a_rate_has_the_unit_that_fits(per_minute: float, told: str) -> None:
    """Per hour, minute or second."""
    assert words.rate(per_minute) == told


def test_dots_are_as_large_as_what_they_stand_for() -> None:
    """The area of a dot is as the number of its cases; an empty group has none."""
    small, large = charts.dots([(0.5, 0.25, 25), (0.6, 0.5, 0), (1.0, 1.0, 100)])
    assert (small.x, small.y, large.x, large.y) == (50, 75, 100, 0)
    assert large.radius / small.radius == pytest.approx(2)


def now(**changed: object) -> Now:
    """How things stand when all is well, but for this."""
    well = {
        "at": AT,
        "runs": (),
        "crowded": False,
        "oldest_due": timedelta(),
        "oldest_held": timedelta(),
        "oldest_dead": timedelta(),
        "workers": ("w",),
        "tools": (),
        "effects": {},
        "approvals": 0,
        "unaccounted": 0,
        "taken_today": 0,
        "taken_month": 0,
        "limit_today": None,
        "limit_month": None,
        "duplicates": 0,
        "leader": "w",
        "rings": 0,
    }
    return Now(**well | changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, []),
        ({"workers": ()}, ["TriageNoWorker"]),
        ({"oldest_due": timedelta(minutes=16)}, ["TriageRunOverdue"]),
        ({"oldest_due": timedelta(minutes=14)}, []),
        ({"runs": (Waiting("dead", "notify", "person", 2, MINUTE),)}, ["TriageDeadLetters"]),
        ({"oldest_held": timedelta(hours=2)}, ["TriageHeldRuns"]),
        ({"tools": (ToolNow("jira", "", MINUTE, 12, 0),)}, ["TriageBreakerOpen"]),
        ({"tools": (ToolNow("jira", "by ada", timedelta(), 0, 0),)}, []),
        ({"taken_today": 95, "limit_today": 100}, ["TriageDailyCost"]),
        ({"taken_today": 85, "limit_today": 100}, []),
        ({"duplicates": 1, "oldest_held": timedelta(hours=2)}, ["TriageDuplicates", "TriageHeldRuns"]),
    ],
)
def test_what_fires_is_what_the_alerts_would_say(changed: dict[str, object], names: list[str]) -> None:
    """Each trouble has the name of its alert, and what wakes somebody comes first."""
    assert [one.name for one in firing(now(**changed), (), timedelta(minutes=15))] == names


def test_a_budget_without_burns_does_not_fire() -> None:
    """An overdrawn budget that no longer burns is told by its own line, not as an alert."""
    standing = Standing("completeness", 0.999, timedelta(days=30), 10, Events(10, 5), 0, -4.0, ())
    assert firing(now(), (standing,), timedelta(minutes=15)) == []


def test_an_answer_is_kept_as_long_as_it_was_dear() -> None:
    """What took long is not asked again at once; another question is."""
    asked: list[str] = []

    def ask(name: str) -> str:
        asked.append(name)
        deadline = kept.clock.now() + 0.05
        while kept.clock.now() < deadline:
            pass
        return name

    answers: kept.Kept[str] = kept.Kept()
    assert [answers.get("a", lambda: ask("a")) for _ in range(3)] == ["a"] * 3
    assert answers.get("b", lambda: ask("b")) == "b"
    assert asked == ["a", "b"]
