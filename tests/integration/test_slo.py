"""How the objectives stand, on a real Postgres: what is left of their budgets, and what fires."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from triage import cli
from triage.alerts.standing import Standing, standings
from triage.config import Objectives
from triage.store.database import Database
from triage.store.overview import Overview
from triage.store.tally import Tally

ENDED = """
    with made as (
        insert into run (id, key, source, source_id, report_kind, status, checkpoint, reason, created_at, finished_at)
        select triage_uuid7(), sha256(gen_random_uuid()::text::bytea), 'demo', 'r', 'bug', %(status)s,
            case when %(status)s = 'done' then 'done' else 'received' end, 'why',
            now() - %(ago)s::interval - %(lasted)s::interval, now() - %(ago)s::interval
        from generate_series(1, %(number)s) returning id, finished_at
    )
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error, ended_at)
    select id, 1, 'notify', 1, gen_random_uuid(), case when %(status)s = 'done' then 'finished' else %(status)s end,
        'why', finished_at from made
"""
WAITING = """
    insert into run (id, key, source, source_id, report_kind, created_at)
    select triage_uuid7(), sha256(gen_random_uuid()::text::bytea), 'demo', 'r', 'bug', now() - interval '1 hour'
    from generate_series(1, %(number)s)
"""
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
Answer: TypeAlias = Callable[..., tuple[int, str]]


def ended(database: Database, number: int, status: str, ago: timedelta = SECOND, lasted: timedelta = SECOND) -> None:
    """So many runs that ended so, this long ago, after so long."""
    given = {"number": number, "status": status, "ago": ago, "lasted": lasted}
    with database.engine.connect() as connection:
        connection.exec_driver_sql(ENDED, given)


def found(database: Database) -> dict[str, Standing]:
    """How the objectives stand, by name."""
    return {one.name: one for one in standings(Overview(database), Objectives(), datetime.now(UTC))}


@pytest.fixture
def triage(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run the command on the test's database; its exit code and what it printed."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)

    def run(*words: str) -> tuple[int, str]:
        return cli.main(words), capsys.readouterr().out

    return run


def test_without_any_run_nothing_is_used_up(database: Database) -> None:
    """Where nothing happened the whole budget is left, and nothing fires."""
    for one in found(database).values():
        assert (one.events.total, one.left, one.fires) == (0, 1.0, ())
        assert {burn.rate_long for burn in one.burns} == {0.0}


def test_an_hour_of_dead_runs_pages(database: Database) -> None:
    """Of 105 runs 5 are dead and 4 late: completeness pages and is overdrawn, freshness makes a ticket."""
    ended(database, 96, "done")
    ended(database, 4, "done", lasted=HOUR)
    ended(database, 5, "dead")
    for _ in range(2):  # before and after a round of the tally
        standing = found(database)
        whole, fresh = standing["completeness"], standing["freshness"]
        assert (whole.accepted, whole.events.total, whole.events.bad) == (105, 105, 5)
        assert whole.left == pytest.approx(1 - (5 / 105) / 0.001)
        assert whole.fires == ("page", "ticket")
        assert whole.burns[0].rate_long == pytest.approx((5 / 105) / 0.001)
        assert (fresh.events.total, fresh.events.bad, fresh.fires) == (100, 4, ("ticket",))
        assert fresh.left == pytest.approx(-3)
        Tally(database).roll()


def test_what_is_over_does_not_fire(database: Database) -> None:
    """Runs that died five hours ago are in the budget and in long windows, and fire nothing that is short."""
    ended(database, 5, "dead", ago=5 * HOUR)
    ended(database, 200, "done", ago=5 * HOUR)
    ended(database, 50, "done")
    one = found(database)["completeness"]
    assert (one.events.total, one.events.bad) == (255, 5)
    assert {(burn.severity, burn.long): burn.fires for burn in one.burns} == {
        ("page", HOUR): False,
        ("page", 6 * HOUR): False,
        ("ticket", 24 * HOUR): False,
        ("ticket", 72 * HOUR): True,
    }


def test_few_events_fire_nothing(database: Database) -> None:
    """Two dead runs of thirty, or five of ten, use the budget up and fire nothing: a rate of so few says little."""
    ended(database, 28, "done")
    ended(database, 2, "dead")
    assert found(database)["completeness"].fires == ()
    ended(database, 1, "dead")
    assert found(database)["completeness"].fires == ("page", "ticket")


def test_runs_that_are_late_already_count(database: Database) -> None:
    """What is unfinished after its time is bad for freshness before it is done."""
    ended(database, 96, "done")
    with database.engine.connect() as connection:
        connection.exec_driver_sql(WAITING, {"number": 4})
    one = found(database)["freshness"]
    assert (one.events.total, one.events.bad, one.overdue) == (100, 4, 4)


def test_the_command_tells_people_and_programs(database: Database, triage: Answer) -> None:
    """The table has target, window, budget and what fires; JSON has the same numbers."""
    ended(database, 997, "done")
    ended(database, 3, "dead")
    code, text = triage("slo")
    assert code == 0
    (line,) = [one.split() for one in text.splitlines() if one.startswith("completeness  99.9")]
    assert line == ["completeness", "99.900%", "30", "d", "1,000", "997", "1,000", "99.700%", "-200.0%", "ticket"]
    assert ["completeness", "page", "1h", "3.00", "5m", "3.00", "14.4", "no"] in [
        one.split() for one in text.splitlines()
    ]
    told: list[dict[str, Any]] = json.loads(triage("slo", "--json")[1])
    assert [one["name"] for one in told] == ["completeness", "freshness"]
    first = told[0]
    assert (first["events"], first["good"], first["bad"], first["accepted"]) == (1000, 997, 3, 1000)
    assert first["left"] == pytest.approx(-2)
    assert (first["window"], first["fires"]) == (30 * 86_400, ["ticket"])
    assert first["burns"][0] | {"rate_long": 0, "rate_short": 0} == {
        "severity": "page",
        "long": 3600.0,
        "short": 300.0,
        "rate_long": 0,
        "rate_short": 0,
        "most": 14.4,
        "fires": False,
    }


def test_rules_and_dashboard_follow_the_settings(triage: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other objectives and another place of the runbook are in what is printed."""
    monkeypatch.setenv("TRIAGE_OBJECTIVES__COMPLETENESS", "0.995")
    monkeypatch.setenv("TRIAGE_OBJECTIVES__WITHIN", "PT1H")
    monkeypatch.setenv("TRIAGE_ALERTS__RUNBOOK", "https://wiki.example/triage")
    code, rules = triage("alerts", "rules")
    assert code == 0
    assert "completeness_total:increase1h > 0.072" in rules
    assert 'le="3600"' in rules
    assert "https://wiki.example/triage#triagenoworker" in rules
    assert 'le=\\"3600\\"' in triage("alerts", "dashboard")[1]
    told = json.loads(triage("alerts", "rules", "--json")[1])
    assert "TriageDuplicates" in {one["alert"] for one in told}
