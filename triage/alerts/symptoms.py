"""The alerts on what hurts now, whatever the rates are; pure."""

from datetime import timedelta

from triage.alerts.alert import Alert, duration
from triage.config import Objectives
from triage.metrics import families

JOB = "triage"
"""What the scrape of our exporter is called in `prometheus.yml`."""
LONGEST_HELD = timedelta(hours=1)
BACKLOG = 100
"""Fewer waiting runs are no backlog, however they grow."""
BUDGET_SHARE = 0.9
_RELOAD = "Nothing is lost: runs wait in Postgres and go on by themselves."


def symptoms(objectives: Objectives) -> list[Alert]:
    """All of them. What is measured in time is measured by the objectives."""
    return [*_servers(), *_runs(objectives), *_tools()]


def _servers() -> list[Alert]:
    return [
        Alert(
            "TriageExporterAbsent",
            "page",
            timedelta(minutes=2),
            f'absent(up{{job="{JOB}"}} == 1)',
            "Nobody answers at /metrics",
            "Prometheus cannot read the product's metrics, so no other alert can fire.",
        ),
        Alert(
            "TriageDatabaseDown",
            "page",
            timedelta(minutes=1),
            f"min({families.DATABASE_UP.name}) == 0",
            "Postgres does not answer",
            "No report is accepted and no run goes on. What was accepted is safe in Postgres.",
        ),
        Alert(
            "TriageBrokerDown",
            "page",
            timedelta(minutes=2),
            f"min({families.BROKER_UP.name}) == 0",
            "The broker does not answer",
            f"Reports are accepted, but workers get no messages. {_RELOAD}",
        ),
        Alert(
            "TriageNoWorker",
            "page",
            timedelta(minutes=1),
            f"max({families.WORKERS.name}) == 0",
            "No worker runs",
            f"No worker process was seen for a minute, so no run goes on. {_RELOAD}",
        ),
    ]


def _runs(objectives: Objectives) -> list[Alert]:
    active, within = f"sum({families.ACTIVE.name})", objectives.within
    return [
        Alert(
            "TriageRunOverdue",
            "page",
            timedelta(minutes=2),
            f"max({families.OLDEST_DUE.name}) > {within.total_seconds():g}",
            "A run has been due for long, and nobody works on it",
            f"The oldest has been due for {{{{ $value | humanizeDuration }}}}; {duration(within)} is what is promised "
            "from a run's creation to its end.",
        ),
        Alert(
            "TriageDeadLetters",
            "ticket",
            timedelta(minutes=5),
            f"max({families.DEAD.name}) > 0",
            "Runs were given up",
            "{{ $value }} dead letters wait for a person who mends the cause and redrives or cancels them.",
        ),
        Alert(
            "TriageHeldRuns",
            "ticket",
            timedelta(minutes=5),
            f"max({families.OLDEST_HELD.name}) > {LONGEST_HELD.total_seconds():g}",
            "A run waits long for a person",
            "The oldest held run has waited for {{ $value | humanizeDuration }}.",
        ),
        Alert(
            "TriageBacklogGrows",
            "ticket",
            timedelta(minutes=30),
            f"deriv({active}[15m:1m]) > 0 and {active} > {BACKLOG}",
            "More comes in than is worked off",
            "For half an hour the number of active runs has been growing, now by {{ $value | humanize }} a second.",
        ),
    ]


def _tools() -> list[Alert]:
    taken, limit = families.BUDGET_TAKEN.name, families.BUDGET_LIMIT.name
    return [
        Alert(
            "TriageBreakerOpen",
            "ticket",
            timedelta(minutes=5),
            f"max by (tool) ({families.BREAKER_OPEN.name}) == 1",
            "{{ $labels.tool }} fails again and again",
            "The circuit breaker of {{ $labels.tool }} is open, and runs wait for it.",
        ),
        Alert(
            "TriageDailyCost",
            "ticket",
            timedelta(),
            f'max({taken}{{scope="day"}}) >= {BUDGET_SHARE:g} * max({limit}{{scope="day"}})',
            "The day's budget for models is nearly used up",
            "{{ $value | humanize }} US dollars are taken. Without room no model is asked, and people decide.",
        ),
        Alert(
            "TriageDuplicates",
            "page",
            timedelta(),
            f"increase({families.DUPLICATES.name}[1d]) > 0",
            "Two objects in another system have the same key",
            "The hourly sweep found it: the promise of exactly one was broken. {{ $value | humanize }} in a day.",
        ),
    ]
