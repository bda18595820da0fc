"""The numbers behind the metrics, out of the read models; pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf

from triage.metrics import families
from triage.metrics.families import Family
from triage.metrics.queues import Queues
from triage.metrics.render import Histogram, Samples, bounded
from triage.model import Stage
from triage.store.overview import Now
from triage.store.tally import FRESH_EDGES, STAGE_EDGES, Total

RUN_OUTCOMES = ("received", "done", "held", "dead", "cancelled")
OUTCOMES = ("finished", "retry", "held", "dead", "lost")
_MICRO = 1_000_000
_COUNTERS: tuple[tuple[Family, str, tuple[str, ...], str | None], ...] = (
    (families.RUNS, "run", ("name", "what"), None),
    (families.ATTEMPTS, "attempt", ("stage", "what"), None),
    (families.RETRIES, "attempt", ("stage",), "retry"),
    (families.RECOVERIES, "attempt", ("stage",), "lost"),
    (families.TIMEOUTS, "timeout", ("stage",), None),
    (families.DECISIONS, "decision", ("name", "what"), None),
    (families.REFUSALS, "refusal", ("name", "what"), None),
    (families.EVENTS, "event", ("what",), None),
    (families.ASKS, "model", ("name",), "asks"),
)
"""Each counter with the kind of total that it is made of, what tells it, and the only `what` that counts."""


def counted(totals: Sequence[Total]) -> dict[Family, Samples]:
    """The counters and histograms, from what was ever counted."""
    of_kind: dict[str, list[Total]] = {}
    for one in totals:
        of_kind.setdefault(one.kind, []).append(one)
    found: dict[Family, Samples] = {
        family: bounded(_zeros(family, of_kind.get(kind, ())) | _summed(of_kind.get(kind, ()), told_by, only))
        for family, kind, told_by, only in _COUNTERS
    }
    return found | _models(of_kind.get("model", ())) | _histograms(of_kind)


def _zeros(family: Family, totals: Sequence[Total]) -> dict[tuple[str, ...], float]:
    """What is known beforehand: an alert can see the first failure only if there was a zero before it."""
    if family is families.RUNS:
        return {(one.name, outcome): 0.0 for one in totals for outcome in RUN_OUTCOMES}
    if family.labels == ("stage",):
        return {(str(stage),): 0.0 for stage in Stage}
    if family is families.ATTEMPTS:
        return {(str(stage), outcome): 0.0 for stage in Stage for outcome in OUTCOMES}
    return {}


def _summed(totals: Iterable[Total], told_by: tuple[str, ...], only: str | None) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for one in totals:
        if only is None or one.what == only:
            labels = tuple(str(getattr(one, name)) for name in told_by)
            found[labels] = found.get(labels, 0.0) + one.number
    return found


def _models(totals: Sequence[Total]) -> dict[Family, Samples]:
    tokens = [one for one in totals if one.what in {"input", "output", "cached", "reasoning"}]
    cost = {labels: value / _MICRO for labels, value in _summed(totals, ("name",), "cost").items()}
    return {families.TOKENS: bounded(_summed(tokens, ("name", "what"), None)), families.COST: bounded(cost)}


def _histograms(of_kind: Mapping[str, Sequence[Total]]) -> dict[Family, Samples]:
    seconds = of_kind.get("seconds", ())
    stages: Samples = {
        (str(stage),): _histogram((one for one in seconds if one.stage == stage), STAGE_EDGES) for stage in Stage
    }
    return {
        families.STAGE_SECONDS: stages,
        families.RUN_SECONDS: {(): _histogram(of_kind.get("lasted", ()), FRESH_EDGES)},
    }


def _histogram(totals: Iterable[Total], edges: Sequence[float]) -> Histogram:
    counts, total = dict.fromkeys([*map(float, edges), inf], 0), 0.0
    for one in totals:
        counts[float(one.what)] += one.number
        total += one.amount
    return Histogram(counts, total)


def standing(now: Now, totals: Sequence[Total]) -> dict[Family, Samples]:
    """The gauges: how things stand, and the calls of all runs, finished or not."""
    return {
        families.DATABASE_UP: {(): 1.0},
        families.ACTIVE: {(one.stage, one.waits_on): float(one.runs) for one in now.runs if one.status == "active"},
        families.HELD: {(): float(now.count("held"))},
        families.DEAD: {(): float(now.count("dead"))},
        families.OLDEST_DUE: {(): now.oldest_due.total_seconds()},
        families.OLDEST_HELD: {(): now.oldest_held.total_seconds()},
        families.OLDEST_DEAD: {(): now.oldest_dead.total_seconds()},
        families.APPROVALS: {(): float(now.approvals)},
        families.DUPLICATES: {(): float(now.duplicates)},
        families.UNACCOUNTED: {(): float(now.unaccounted)},
        families.RELAY_LED: {(): float(now.leader != "")},
        families.RINGS: {(): float(now.rings)},
        **_tools(now, totals),
        **_budgets(now),
        **_workers(now),
    }


def _tools(now: Now, totals: Sequence[Total]) -> dict[Family, Samples]:
    effects: dict[tuple[str, ...], float] = {(one.name, one.what): 0.0 for one in totals if one.kind == "effect"}
    for one in totals:
        if one.kind == "effect":
            effects[one.name, one.what] += one.number
    for (tool, state), calls in now.effects.items():
        effects[tool, state] = effects.get((tool, state), 0.0) + calls
    return {
        families.EFFECTS: bounded(effects),
        families.BREAKER_OPEN: bounded({(one.tool,): float(bool(one.open_for)) for one in now.tools}),
        families.TOOL_OFF: bounded({(one.tool,): float(bool(one.switched_off)) for one in now.tools}),
    }


def _budgets(now: Now) -> dict[Family, Samples]:
    limits = {("day",): now.limit_today, ("month",): now.limit_month}
    return {
        families.BUDGET_TAKEN: {("day",): now.taken_today / _MICRO, ("month",): now.taken_month / _MICRO},
        families.BUDGET_LIMIT: {scope: limit / _MICRO for scope, limit in limits.items() if limit is not None},
    }


def _workers(now: Now) -> dict[Family, Samples]:
    serve: Samples = {(str(stage),): float(sum(stage in one.stages for one in now.workers)) for stage in Stage}
    return {families.WORKERS: {(): float(len(now.workers))}, families.STAGE_WORKERS: serve}


def queued(queues: Queues | None) -> dict[Family, Samples]:
    """The broker's side; only that it is away, if it did not answer."""
    if queues is None:
        return {families.BROKER_UP: {(): 0.0}}
    return {
        families.BROKER_UP: {(): 1.0},
        families.QUEUE_LENGTH: {(queue,): float(length) for queue, length in queues.lengths.items()},
        families.QUEUE_UNACKED: {(): float(queues.unacked)},
    }
