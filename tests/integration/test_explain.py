"""`triage explain`, `triage metrics` and the read models behind them, on real runs."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import parser
from pydantic import SecretStr
from typer.testing import CliRunner

from tests.support.databases import query
from tests.support.site import report
from triage import config, metrics
from triage.bootstrap import Services
from triage.cli import app
from triage.model import Stage
from triage.store.database import Database
from triage.store.relay import RelayStore
from triage.store.shared import FRESH


@pytest.fixture
def services(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A worker's services, without the broker; the commands find the same database."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TRIAGE_BROKER_URL", "redis://127.0.0.1:1/0")
    opened = Services(
        config.Settings(database_url=SecretStr(database_url), broker_url=SecretStr("redis://127.0.0.1:1/0"))
    )
    opened.lease.renew()
    yield opened
    opened.close()


def work(services: Services, run_id: UUID) -> None:
    """All stages, one after the other, as far as they go."""
    for stage in Stage:
        services.engine.run_stage(run_id, stage, services.lease)


def submit(services: Services, **fields: object) -> UUID:
    """A new run."""
    return services.store.submit_many([report(**fields)], None)[0].run_id


def told(*words: str) -> str:
    """What the command says."""
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_story_of_a_run_is_told_in_sentences(services: Services) -> None:
    """What came in, who decided what and why, what was filed and told, and that it was done: in order, with links."""
    run_id = submit(services, source="crm", source_id="4711", title="Export crashes on empty list")
    work(services, run_id)
    services.lease.give_up()  # the worker is long gone, and still known by its name
    summary, _, *lines = told("explain", str(run_id), "--zone", "UTC").splitlines()
    assert summary.startswith("The run of crm 4711 is done after ")
    assert "It took 3 attempts" in summary
    received, decided, filed, notified, ended = lines
    assert received.endswith("crm 4711 came in: “Export crashes on empty list”.")
    worker = services.lease._row["name"]
    assert f"worker {worker} decided in " in decided
    assert "crash" in decided
    assert "by rules" in decided
    assert f"worker {worker} filed the ticket with local-tracker (triage) in " in filed
    assert filed.endswith(": T-1.")
    assert "told people with local-inbox" in notified
    assert "it was done, " in ended


def test_waits_people_and_tools_are_part_of_the_story(services: Services) -> None:
    """A tool that was put out of service, the try that met it, and who cancelled the run are told with names."""
    services.tool_box("anna").disable("local-tracker", "the tracker is moved")
    run_id = submit(services, source="crm", source_id="4712", title="Login fails")
    services.tool_box("anna").disable("local-inbox", "not about this run: never called")
    services.tool_box("anna").disable("*", "stop")
    services.engine.run_stage(run_id, Stage.TRIAGE, services.lease)
    services.engine.run_stage(run_id, Stage.CREATE_TICKET, services.lease)
    services.operations("bob").cancel(run_id, "a test")
    lines = told("explain", str(run_id), "--zone", "UTC")
    assert "anna put every tool out of service: stop." in lines
    assert "never called" not in lines
    assert "filing the ticket with local-tracker did not succeed in attempt 1, and was to be tried again: " in lines
    assert "bob cancelled it: cancelled by bob: a test." in lines
    assert lines.startswith("The run of crm 4712 was cancelled after ")
    document = json.loads(told("explain", str(run_id), "--json"))
    assert [entry["what"] for entry in document["history"]][:2] == ["received", "tool"]
    assert document["run"]["status"] == "cancelled"


def test_a_time_is_answered_over_all_runs(services: Services) -> None:
    """How many came in and from where, what was filed, and each run in a line; what is left out is said."""
    ids = [submit(services, source=source, title="Save crashes") for source in ("crm", "crm", "mail")]
    for run_id in ids[:2]:
        work(services, run_id)
    services.operations("bob").cancel(ids[2], "a test")
    at = (datetime.now(UTC) - timedelta(minutes=2)).strftime("%Y-%m-%d %H:%M")
    lines = told("explain", "--at", at, "--for", "5m", "--zone", "UTC").splitlines()
    assert lines[1:6] == [
        "3 reports came in: 2 from crm and 1 from mail.",
        "2 reports were decided: 2 by rules (2 crash).",
        "2 tickets filed, 2 notices sent and 2 runs brought to the end.",
        "What people did: 1 run cancelled.",
        "",
    ]
    assert [line.split(" ", 2)[1] for line in lines[6:]] == ["crm", "crm", "mail"]
    assert ": came in, decided crash, " in lines[6]
    assert lines[6].endswith(", ticket filed, people told, done; T-1")
    assert lines[8].endswith(": came in, cancelled by bob")
    document = json.loads(told("explain", "--at", at, "--for", "5m", "--zone", "UTC", "--limit", "1", "--json"))
    assert (len(document["runs"]), document["left_out"]) == (1, 2)
    assert document["summary"][1] == lines[1]
    before = (datetime.now(UTC) - timedelta(hours=3)).strftime("%Y-%m-%d %H:%M")
    assert "nothing was done and no report came in" in told("explain", "--at", before, "--zone", "UTC")


@pytest.mark.parametrize(
    "words",
    [(), ("x", "--at", "15:47"), ("--at", "soon"), ("--at", "15:47", "--for", "9d"), ("--at", "1:00", "--zone", "X")],
)
@pytest.mark.usefixtures("services")
def test_wrong_use_is_told(words: tuple[str, ...]) -> None:
    """A run and a time at once, neither, and what is no time, span or zone are refused in words."""
    result = CliRunner().invoke(app, ["explain", *words])
    assert type(result.exception).__name__ == "Misused"


def numbers(services: Services) -> dict[str, dict[tuple[str, ...], float]]:
    """What the metrics page says, by name and the values of its labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parser.text_string_to_metric_families(metrics.document(services).decode()):
        for one in family.samples:
            found.setdefault(one.name, {})[tuple(one.labels.values())] = one.value
    return found


def test_metrics_are_true_at_once(services: Services) -> None:
    """Done, waiting, switched off, workers and the broker's absence are on the page before any round was made."""
    work(services, submit(services, source="crm", title="Save crashes"))
    services.tool_box("anna").disable("local-tracker", "moved")
    time.sleep(2 * FRESH)
    waiting = submit(services, source="crm", title="Save crashes again, otherwise")
    services.engine.run_stage(waiting, Stage.TRIAGE, services.lease)
    services.engine.run_stage(waiting, Stage.CREATE_TICKET, services.lease)
    page = numbers(services)
    ended = {"received": 2, "done": 1, "held": 0, "dead": 0, "cancelled": 0}
    assert page["triage_runs_total"] == {("crm", outcome): number for outcome, number in ended.items()}
    assert page["triage_attempts_total"]["triage", "finished"] == 2
    assert page["triage_retries_total"]["create_ticket",] == 1
    assert page["triage_active_runs"] == {("create_ticket", "switch"): 1}
    assert page["triage_tool_off"] == {("local-tracker",): 1}
    assert page["triage_effects"]["local-tracker", "confirmed"] == 1
    assert page["triage_effects"]["local-tracker", "planned"] == 1
    assert page["triage_workers"] == {(): 1}
    assert page["triage_stage_seconds_count"]["triage",] == 2
    assert page["triage_run_seconds_bucket"]["86400",] == 1
    assert (page["triage_database_up"], page["triage_broker_up"]) == ({(): 1}, {(): 0})
    assert page["triage_scrape_seconds"][()] < 5
    assert told("metrics").startswith("# HELP triage_database_up")


def test_a_database_that_is_away_is_told() -> None:
    """Without Postgres the page says just that, and does not fail."""
    url = SecretStr("postgresql+psycopg://x:x@127.0.0.1:1/x")
    away = Services(config.Settings(database_url=url, broker_url=SecretStr("amqp://127.0.0.1:1//")))
    page = numbers(away)
    assert set(page) == {"triage_database_up", "triage_scrape_seconds"}
    assert page["triage_database_up"] == {(): 0}


def test_the_relay_counts_what_it_rings(services: Services, database: Database) -> None:
    """Every run that is chosen to be rung is in a number that goes on growing."""
    store = RelayStore(database, services.lease.process_id)
    assert store.lead()
    for _ in range(3):
        submit(services)
    room: Any = {Stage.TRIAGE: 2}
    assert len(store.ring(room)) == 2
    assert services.overview.now().rings == 2
    assert len(store.ring(room)) == 1
    assert services.overview.now().rings == 3
    assert services.overview.now().leader == services.lease._row["name"]
    assert query(database, "select sum(rings) from run")[0][0] == 3
