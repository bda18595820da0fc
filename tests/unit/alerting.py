"""For each alert: metrics under which it fires, and metrics under which it must not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from triage.alerts.written import Tree, yaml

HOUR = 60
SLOWLY = 10
DAY = 24 * 60 // SLOWLY
"""In samples of ten minutes."""


@dataclass(frozen=True)
class Scene:
    """Series in promtool's notation, one sample in `step` minutes, and whether the alert fires `at` one of them."""

    why: str
    fires: bool
    at: int
    series: Mapping[str, str] = field(default_factory=dict)
    step: int = 1


def runs(done: str, dead: str) -> dict[str, str]:
    """How many runs came to an end."""
    return {
        'triage_runs_total{source="crm",outcome="done"}': done,
        'triage_runs_total{source="crm",outcome="dead"}': dead,
    }


def lasted(done: str, fresh: str) -> dict[str, str]:
    """How many runs were done, and how many of them in time."""
    return {"triage_run_seconds_count": done, 'triage_run_seconds_bucket{le="900"}': fresh}


def budget(taken: str) -> dict[str, str]:
    """What is taken of a day's 20 dollars."""
    day = '{scope="day"}'
    return {f"triage_budget_taken_usd{day}": taken, f"triage_budget_limit_usd{day}": "20x9"}


SCENES: dict[str, tuple[Scene, ...]] = {
    "TriageCompletenessFastBurn": (
        Scene("3 % of an hour's runs are dead", True, 90, runs("0+97x90", "0+3x90")),
        Scene("one in a hundred for seven hours", True, 7 * HOUR, runs("0+99x420", "0+1x420")),
        Scene("one in two hundred is too slow for it", False, 7 * HOUR, runs("0+199x420", "0+1x420")),
        Scene("it was, and is over", False, 90, runs("0+97x90", "0+3x30 90x60")),
        Scene("six of twelve are few", False, 90, runs("0x30 0+0.2x60", "0x60 0+0.2x30")),
        Scene("two of forty are few", False, 90, runs("0+1x90", "0x80 0 1 2x8")),
        Scene("nothing happens", False, 90, runs("70x90", "3x90")),
    ),
    "TriageCompletenessSlowBurn": (
        Scene("one in two hundred for a day", True, DAY + 6, runs("0+199x150", "0+1x150"), SLOWLY),
        Scene("one in five hundred for three days", True, 3 * DAY, runs("0+499x432", "0+1x432"), SLOWLY),
        Scene("one in two thousand is allowed", False, 3 * DAY, runs("0+1999x432", "0+1x432"), SLOWLY),
        Scene("it was, and is over", False, 2 * DAY, runs("0+199x288", "0+1x144 144x144"), SLOWLY),
    ),
    "TriageFreshnessFastBurn": (
        Scene("a fifth is late", True, 90, lasted("0+100x90", "0+80x90")),
        Scene("a twentieth is too slow for it", False, 7 * HOUR, lasted("0+100x420", "0+95x420")),
        Scene("all are done in time", False, 90, lasted("0+100x90", "0+100x90")),
    ),
    "TriageFreshnessSlowBurn": (
        Scene("a twentieth for a day", True, DAY + 6, lasted("0+100x150", "0+95x150"), SLOWLY),
        Scene("one in two hundred is allowed", False, 3 * DAY, lasted("0+200x432", "0+199x432"), SLOWLY),
    ),
    "TriageExporterAbsent": (
        Scene("the scrape fails", True, 5, {'up{job="triage"}': "1 0x9"}),
        Scene("there is no scrape", True, 5),
        Scene("it answers", False, 5, {'up{job="triage"}': "1x9"}),
        Scene("only another job answers", True, 5, {'up{job="node"}': "1x9"}),
    ),
    "TriageDatabaseDown": (
        Scene("it is away", True, 5, {"triage_database_up": "1 0x9"}),
        Scene("it was away for a scrape", False, 5, {"triage_database_up": "1 1 0 1x9"}),
    ),
    "TriageBrokerDown": (
        Scene("it is away", True, 5, {"triage_broker_up": "1 0x9"}),
        Scene("it answers", False, 5, {"triage_broker_up": "1x9"}),
        Scene("it is not Redis", False, 5),
    ),
    "TriageNoWorker": (
        Scene("the last one was killed", True, 5, {"triage_workers": "2 0x9"}),
        Scene("one is left", False, 5, {"triage_workers": "2 1x9"}),
        Scene("they were restarted", False, 5, {"triage_workers": "2 2 2 2 0 2x9"}),
    ),
    "TriageRunOverdue": (
        Scene("for twenty minutes", True, 25, {"triage_oldest_due_seconds": "0+60x25"}),
        Scene("for ten minutes", False, 10, {"triage_oldest_due_seconds": "0+60x25"}),
    ),
    "TriageDeadLetters": (
        Scene("there is one", True, 9, {"triage_dead_runs": "0 1x9"}),
        Scene("it was redriven", False, 9, {"triage_dead_runs": "0 1 1 0x9"}),
    ),
    "TriageHeldRuns": (
        Scene("for over an hour", True, 70, {"triage_oldest_held_seconds": "0+60x90"}),
        Scene("for half an hour", False, 30, {"triage_oldest_held_seconds": "0+60x90"}),
    ),
    "TriageBacklogGrows": (
        Scene("for an hour", True, 60, {'triage_active_runs{stage="triage",waits_on="relay"}': "50+10x60"}),
        Scene("it is worked off", False, 60, {'triage_active_runs{stage="triage",waits_on="relay"}': "900-10x60"}),
        Scene("it is short", False, 60, {'triage_active_runs{stage="triage",waits_on="relay"}': "0+1x60"}),
        Scene(
            "it came at once, and goes",
            False,
            60,
            {'triage_active_runs{stage="triage",waits_on="relay"}': "0x20 900-10x40"},
        ),
    ),
    "TriageBreakerOpen": (
        Scene("it stays open", True, 9, {'triage_breaker_open{tool="github-tracker"}': "0 1x9"}),
        Scene("a probe closed it", False, 9, {'triage_breaker_open{tool="github-tracker"}': "0 1 1 0x9"}),
    ),
    "TriageDailyCost": (
        Scene("nine tenths are taken", True, 3, budget("18x9")),
        Scene("half is taken", False, 3, budget("10x9")),
        Scene("there is no limit", False, 3, {'triage_budget_taken_usd{scope="day"}': "18x9"}),
    ),
    "TriageDuplicates": (
        Scene("the sweep found one", True, 9, {"triage_duplicates_total": "0x5 1x9"}),
        Scene("the last was found days ago", False, 2 * DAY, {"triage_duplicates_total": "0x5 1x288"}, SLOWLY),
        Scene("there never was one", False, 9, {"triage_duplicates_total": "0x9"}),
    ),
}


def unit_tests(rules: str, step: int) -> str:
    """The scenes of this step as a file for `promtool test rules`, for the rules file of this name."""
    tests: list[Tree] = [_test(alert, scene) for alert, scene in _all() if scene.step == step]
    return yaml({"rule_files": [rules], "evaluation_interval": f"{step}m", "tests": tests})


def _all() -> Iterator[tuple[str, Scene]]:
    return ((alert, scene) for alert, scenes in SCENES.items() for scene in scenes)


def _test(alert: str, scene: Scene) -> Tree:
    series: list[Tree] = [{"series": name, "values": values} for name, values in scene.series.items()]
    firing: list[Tree] = [{"labels": "{}", "value": 1}]
    asked: Tree = {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
        "eval_time": f"{scene.at * scene.step}m",
        **({"exp_samples": firing} if scene.fires else {}),
    }
    named: Tree = {"name": f"{alert}: {scene.why}", "interval": f"{scene.step}m", "promql_expr_test": [asked]}
    return {**named, "input_series": series} if series else named
