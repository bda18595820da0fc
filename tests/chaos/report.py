"""The figures of one chaos run: what is printed, what is written, and whether it was good."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.judge import Recovery, Verdict
from tests.chaos.watch import Seen
from tests.chaos.world import QUEUE_HIGH
from triage.model import Stage

NOT_ALLOWED = ("duplicates", "lost", "not_done")


@dataclass
class Findings:
    """Everything that was found."""

    seed: int
    seconds: float
    expected: int
    faults: Counter[str]
    verdict: Verdict
    recoveries: Sequence[Recovery]
    lives: Sequence[float]
    attempts: Mapping[str, int]
    seen: Seen
    drained: float
    repeated: int
    problems: list[str] = field(default_factory=list)


def summary(found: Findings) -> dict[str, Any]:
    """As it is written."""
    return {
        "seed": found.seed,
        "seconds": found.seconds,
        "faults": dict(sorted(found.faults.items())),
        "faults_applied": found.faults.total(),
        "faults_expected": found.expected,
        **asdict(found.verdict),
        **times([one.finished for one in found.recoveries], "recovery"),
        **times([one.taken_up for one in found.recoveries], "taken_up"),
        **times(found.lives, "run"),
        "recovery": {str(stage): _of_stage(found.recoveries, stage) for stage in Stage},
        "longest_due_wait_s": round(found.seen.longest_due_wait, 2),
        "longest_unclaimed_s": round(found.seen.longest_unclaimed, 2),
        "queue_max": found.seen.queue_max,
        "queue_high": QUEUE_HIGH,
        "attempts": dict(found.attempts),
        "batches_repeated": found.repeated,
        "drained_s": round(found.drained, 1),
        "problems": found.problems,
    }


def times(values: Sequence[float], name: str) -> dict[str, float]:
    """The median, the 95th percentile and the maximum, in seconds."""
    quantiles = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [*values, 0.0] * 99
    return {
        f"{name}_p50_s": round(quantiles[49] if len(values) > 1 else sum(values), 2),
        f"{name}_p95_s": round(quantiles[94] if len(values) > 1 else sum(values), 2),
        f"{name}_max_s": round(max(values, default=0.0), 2),
    }


def is_good(result: Mapping[str, Any]) -> bool:
    """Whether nothing was made twice or lost, everything is done, and all faults happened."""
    enough = result["faults_applied"] >= result["faults_expected"]
    return enough and not result["problems"] and not any(result[name] for name in NOT_ALLOWED)


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    rows = [(kind, number) for kind, number in result["faults"].items()]
    rows += [("all faults", f"{result['faults_applied']} of {result['faults_expected']}")]
    rows += [(name, result[name]) for name in ("runs", "commits", *NOT_ALLOWED)]
    rows += [(f"recovery of {stage}", _spread(its)) for stage, its in result["recovery"].items() if its["lost"]]
    rows += [("recovery", _spread(_prefixed(result, "recovery"))), ("taken up", _spread(_prefixed(result, "taken_up")))]
    rows += [("a run, from end to end", _spread(_prefixed(result, "run")))]
    rows += [(name, result[name]) for name in ("longest_due_wait_s", "longest_unclaimed_s")]
    rows += [("longest queue", f"{result['queue_max']} of {result['queue_high']}")]
    rows += [("drained", f"{result['drained_s']} s after the last fault")]
    lines = [f"{name:<26} {value}" for name, value in rows]
    return "\n".join([*lines, *result["wrong"], *result["unfinished"], *result["problems"]])


def _of_stage(recoveries: Sequence[Recovery], stage: Stage) -> dict[str, float]:
    its = [one.finished for one in recoveries if one.stage is stage]
    return {"lost": len(its), **_bare(times(its, "recovery"), "recovery")}


def _prefixed(result: Mapping[str, Any], name: str) -> dict[str, float]:
    return _bare({key: result[key] for key in (f"{name}_p50_s", f"{name}_p95_s", f"{name}_max_s")}, name)


def _bare(values: Mapping[str, float], name: str) -> dict[str, float]:
    return {key.removeprefix(f"{name}_"): value for key, value in values.items()}


def _spread(values: Mapping[str, float]) -> str:
    return f"p50 {values['p50_s']:.1f} s, p95 {values['p95_s']:.1f} s, max {values['max_s']:.1f} s"
