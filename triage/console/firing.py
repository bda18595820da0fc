"""What needs attention now, by the names of the alerts, computed from Postgres: it is told with no Prometheus at all.

Alerts wait for a while before they fire; what stands here is told at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from triage.alerts.standing import Standing
from triage.alerts.symptoms import BUDGET_SHARE, LONGEST_HELD
from triage.console import words
from triage.store.overview import Now, ToolNow


@dataclass(frozen=True, slots=True)
class Firing:
    """One of them; `path` leads to the page where something can be done about it."""

    name: str
    severity: str
    text: str
    path: str


def firing(now: Now, standings: Sequence[Standing], within: timedelta) -> list[Firing]:
    """What wakes somebody first; `within` is how long a run may take."""
    found = [*_runs(now, within), *_burns(standings), *_tools(now)]
    return sorted(found, key=lambda one: one.severity != "page")


def _runs(now: Now, within: timedelta) -> Iterator[Firing]:
    if not now.workers:
        yield Firing(
            "TriageNoWorker", "page", "No worker runs: no run goes on, and nothing is lost.", "/overview#workers"
        )
    if now.oldest_due > within:
        text = f"A run has been due for {words.duration(now.oldest_due)}, and nobody works on it."
        yield Firing("TriageRunOverdue", "page", text, "/runs?status=active")
    if dead := now.count("dead"):
        text = f"{_counted(now, dead)} gave up: mend the cause, then redrive or cancel."
        yield Firing("TriageDeadLetters", "ticket", text, "/person#dead")
    if now.oldest_held > LONGEST_HELD:
        text = f"A run has waited {words.duration(now.oldest_held)} for a person."
        yield Firing("TriageHeldRuns", "ticket", text, "/person")


def _burns(standings: Sequence[Standing]) -> Iterator[Firing]:
    for one in standings:
        for severity in one.fires:
            name = f"Triage{one.name.capitalize()}{'Fast' if severity == 'page' else 'Slow'}Burn"
            text = f"The error budget of {one.name} burns too fast: {words.percent(max(one.left, 0))} of it is left."
            yield Firing(name, severity, text, "/overview#objectives")


def _tools(now: Now) -> Iterator[Firing]:
    for tool in now.tools:
        if tool.open_for:
            yield Firing("TriageBreakerOpen", "ticket", _open(tool), "/tools")
    if now.limit_today and now.taken_today >= BUDGET_SHARE * now.limit_today:
        text = f"{words.dollars(now.taken_today)} of {words.dollars(now.limit_today)} for models are taken today."
        yield Firing("TriageDailyCost", "ticket", text, "/deciding")
    if now.duplicates:
        keys = "A key has" if now.duplicates == 1 else f"{words.number(now.duplicates)} keys have"
        text = f"{keys} more than one object in another system: the promise of exactly one was broken."
        yield Firing("TriageDuplicates", "page", text, "/tools#duplicates")


def _open(tool: ToolNow) -> str:
    return (
        f"{tool.tool} failed {tool.failures} times in a row; its breaker is open for {words.duration(tool.open_for)}."
    )


def _counted(now: Now, runs: int) -> str:
    return f"{'More than ' if now.crowded else ''}{words.number(runs)} {'run' if runs == 1 else 'runs'}"
