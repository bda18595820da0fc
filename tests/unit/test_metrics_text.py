"""The metrics page: what Prometheus can read, bounded, and with nothing in it that its own linter would change."""

import math
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import parser

from triage.metrics import FAMILIES, collect, families, render
from triage.metrics.queues import Queues, measurable, measured
from triage.metrics.render import Histogram
from triage.store.overview import Now, ToolNow, Waiting, Worker, quantile
from triage.store.tally import Total

AT = datetime(2026, 11, 17, 15, 47, tzinfo=UTC)
HOSTILE = 'a "b"\\c\nd'
TOTALS = (
    Total("run", "crm", "", "received", 12, 0),
    Total("run", "crm", "", "done", 9, 0),
    Total("attempt", "crm", "triage", "finished", 12, 0.5),
    Total("attempt", "mail", "triage", "finished", 2, 0.5),
    Total("attempt", "crm", "create_ticket", "retry", 3, 4.5),
    Total("attempt", "crm", "notify", "lost", 1, 0),
    Total("seconds", "", "triage", "0.05", 10, 0.3),
    Total("seconds", "", "triage", "+Inf", 2, 900),
    Total("timeout", "", "create_ticket", "", 2, 0),
    Total("lasted", "", "", "5", 9, 20),
    Total("refusal", "calendar", "follow_up", "events.longest", 4, 0),
    Total("effect", "tracker", "create_ticket", "confirmed", 9, 0),
    Total("effect", "tracker", "follow_up", "confirmed", 1, 0),
    Total("decision", "rules", "", HOSTILE, 12, 0),
    Total("model", "gpt-x", "", "asks", 2, 0),
    Total("model", "gpt-x", "", "input", 900, 0),
    Total("model", "gpt-x", "", "cost", 1_500_000, 0),
    Total("event", "", "", "cancelled", 1, 0),
)
NOW = Now(
    at=AT,
    runs=(
        Waiting("active", "triage", "relay", 3, timedelta(seconds=90)),
        Waiting("held", "notify", "person", 2, timedelta(hours=1)),
    ),
    crowded=False,
    oldest_due=timedelta(seconds=90),
    oldest_held=timedelta(hours=1),
    oldest_dead=timedelta(),
    workers=(Worker("w1", 1, ("triage", "notify"), AT, AT),),
    tools=(ToolNow("tracker", "by ops", timedelta(seconds=5), 10, 1),),
    effects={("tracker", "unknown"): 1, ("tracker", "confirmed"): 5},
    approvals=1,
    unaccounted=0,
    taken_today=2_500_000,
    taken_month=3_000_000,
    limit_today=10_000_000,
    limit_month=None,
    duplicates=0,
    leader="w1",
    rings=77,
)


def page() -> bytes:
    """A page with something of everything."""
    queues = collect.queued(Queues({"triage": 4, "submit": 0}, 2))
    return render.text(collect.standing(NOW, TOTALS) | collect.counted(TOTALS) | queues)


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The page as an independent parser reads it."""
    found = parser.text_string_to_metric_families(page().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in found for one in family.samples}


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("triage_runs_total", {"source": "crm", "outcome": "done"}, 9),
        ("triage_attempts_total", {"stage": "triage", "outcome": "finished"}, 14),
        ("triage_attempts_total", {"stage": "follow_up", "outcome": "dead"}, 0),
        ("triage_retries_total", {"stage": "create_ticket"}, 3),
        ("triage_recoveries_total", {"stage": "notify"}, 1),
        ("triage_recoveries_total", {"stage": "triage"}, 0),
        ("triage_timeouts_total", {"stage": "create_ticket"}, 2),
        ("triage_stage_seconds_bucket", {"stage": "triage", "le": "0.05"}, 10),
        ("triage_stage_seconds_bucket", {"stage": "triage", "le": "300"}, 10),
        ("triage_stage_seconds_bucket", {"stage": "triage", "le": "+Inf"}, 12),
        ("triage_stage_seconds_count", {"stage": "triage"}, 12),
        ("triage_stage_seconds_sum", {"stage": "triage"}, 900.3),
        ("triage_run_seconds_bucket", {"le": "1"}, 0),
        ("triage_run_seconds_bucket", {"le": "5"}, 9),
        ("triage_guard_refusals_total", {"tool": "calendar", "line": "events.longest"}, 4),
        ("triage_effects", {"tool": "tracker", "state": "confirmed"}, 15),
        ("triage_effects", {"tool": "tracker", "state": "unknown"}, 1),
        ("triage_decisions_total", {"by": "rules", "kind": HOSTILE}, 12),
        ("triage_tokens_total", {"model": "gpt-x", "direction": "input"}, 900),
        ("triage_cost_usd_total", {"model": "gpt-x"}, 1.5),
        ("triage_model_asks_total", {"model": "gpt-x"}, 2),
        ("triage_active_runs", {"stage": "triage", "waits_on": "relay"}, 3),
        ("triage_held_runs", {}, 2),
        ("triage_dead_runs", {}, 0),
        ("triage_oldest_due_seconds", {}, 90),
        ("triage_oldest_held_seconds", {}, 3600),
        ("triage_breaker_open", {"tool": "tracker"}, 1),
        ("triage_tool_off", {"tool": "tracker"}, 1),
        ("triage_budget_taken_usd", {"scope": "day"}, 2.5),
        ("triage_budget_limit_usd", {"scope": "day"}, 10),
        ("triage_workers", {}, 1),
        ("triage_stage_workers", {"stage": "create_ticket"}, 0),
        ("triage_stage_workers", {"stage": "notify"}, 1),
        ("triage_relay_rings_total", {}, 77),
        ("triage_relay_led", {}, 1),
        ("triage_queue_length", {"queue": "triage"}, 4),
        ("triage_queue_unacked", {}, 2),
        ("triage_database_up", {}, 1),
        ("triage_broker_up", {}, 1),
    ],
)
def test_a_number_is_where_prometheus_finds_it(name: str, labels: dict[str, str], value: float) -> None:
    """Each number stands under its metric's name and labels, as an independent parser reads the page."""
    assert samples()[name, tuple(sorted(labels.items()))] == pytest.approx(value)


def test_every_family_has_a_name_and_labels_by_the_conventions() -> None:
    """Names are unique, counters end in `_total`, and nothing else does."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) > 30
    for family in FAMILIES:
        assert re.fullmatch(r"triage_[a-z_]+", family.name)
        assert family.name.endswith("_total") == (family.type == "counter")
        assert family.help.endswith(".")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_own_linter_is_content() -> None:
    """`promtool check metrics` has nothing to say about the page."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=page(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_page_cannot_grow_with_the_names_that_others_make_up() -> None:
    """Of 1,000 sources the 200 largest are told apart, and the others are added up as one."""
    many = {(f"s{number:04}", "done"): float(number) for number in range(1_000)}
    told = render.bounded(many)
    assert len(told) == 201
    assert told["s0999", "done"] == 999
    assert told[render.OTHER, "done"] == sum(range(800))
    assert sum(told.values()) == sum(many.values())


def test_a_broker_that_is_away_is_told() -> None:
    """Where Redis does not answer, only that is told, soon; another broker is not asked at all."""
    assert measured("redis://127.0.0.1:1/0") is None
    assert collect.queued(None) == {families.BROKER_UP: {(): 0.0}}
    assert not measurable("amqp://host/")


def test_a_histogram_counts_upwards() -> None:
    """Buckets are cumulative and end with all."""
    lines = render.text({families.RUN_SECONDS: {(): Histogram({math.inf: 1, 1.0: 2, 5.0: 3}, 12.5)}}).decode()
    assert [line.split()[-1] for line in lines.splitlines() if "bucket" in line] == ["2", "5", "6"]
    assert 'le="+Inf"' in lines


@pytest.mark.parametrize(
    ("counts", "share", "value"),
    [
        ({}, 0.5, None),
        ({"0.1": 10}, 0.5, 0.075),
        ({"0.1": 10, "0.25": 10}, 0.5, 0.1),
        ({"0.1": 10, "0.25": 10}, 0.75, 0.175),
        ({"0.1": 1, "+Inf": 9}, 0.95, 300.0),
    ],
)
def test_a_quantile_lies_between_its_edges(counts: dict[str, int], share: float, value: float | None) -> None:
    """The share of values below it is taken to be spread evenly between the edges."""
    assert quantile(counts, share) == (None if value is None else pytest.approx(value))
