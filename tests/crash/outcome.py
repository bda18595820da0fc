"""The table for people and the JSON for machines."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.crash.trial import Result

COLUMNS = (
    "case",
    "boundaries",
    "duplicates",
    "lost",
    "repeats",
    "held",
    "unexpected",
    "missed",
    "p50 s",
    "p95 s",
    "slowest s",
)
COUNTED = ("duplicates", "lost", "repeats", "held", "held_unexpected")
MISSES = 1 / 200
"""The share of boundaries that may not come again in any of their tries: which of two threads is faster decides about
some, on a busy machine. They are told in the table; a miss breaks no promise, but proves nothing either."""
NAIVE = "naive/"
OURS = {"naive/normal": "findable/normal", "naive/429": "findable/429", "naive/late": "findable/late"}
"""What the product does with the same tools in the same cases."""


def summary(
    singles: Sequence[Result], pairs: Sequence[Result], recorded: Mapping[str, int], *, seed: int, seconds: float
) -> dict[str, Any]:
    """Everything in figures; the usual way's figures stand apart. `recorded` is how many boundaries each case has."""
    ours = [result for result in singles if not result.case.startswith(NAIVE)]
    by_case = {
        case: {"recorded": recorded[case], **figures([one for one in singles if one.case == case])}
        for case in _cases(singles)
    }
    return {
        **figures(ours),
        "seed": seed,
        "seconds": round(seconds, 1),
        "cases": {case: found for case, found in by_case.items() if not case.startswith(NAIVE)},
        "pairs": figures(pairs),
        "side_by_side": side_by_side(by_case),
        "failures": [_failure(one) for one in (*ours, *pairs) if not one.is_good],
    }


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Sums and recovery times (seconds from the kill to the end of the runs, or to a person's turn)."""
    recoveries = [result.recovery for result in results if result.recovery is not None]
    taken_up = [result.taken_up for result in results if result.taken_up is not None]
    slowest = max(results, key=lambda one: one.recovery or 0, default=None)
    return {
        "boundaries": len(results),
        **{name: sum(getattr(one, name) for one in results) for name in COUNTED},
        "missed": sum(not result.reached for result in results),
        "recovery_p50_s": _quantile(recoveries, 50),
        "recovery_p95_s": _quantile(recoveries, 95),
        "recovery_max_s": round(max(recoveries, default=0.0), 2),
        "taken_up_p50_s": _quantile(taken_up, 50),
        "taken_up_p95_s": _quantile(taken_up, 95),
        "slowest": " then ".join(slowest.at) if slowest else "",
    }


def side_by_side(by_case: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The usual way and ours, killed in the same cases with the same tools."""
    return {
        naive.removeprefix(NAIVE): {"naive": by_case[naive], "triage": by_case[ours]}
        for naive, ours in OURS.items()
        if naive in by_case and ours in by_case
    }


def table(result: Mapping[str, Any]) -> str:
    """All cases, the sums, the pairs, and beside them the usual way."""
    rows = [COLUMNS, *(_row(_named(case, found), found) for case, found in result["cases"].items())]
    rows += [_row("all", result), _row(f"pairs, seed {result['seed']}", result["pairs"])]
    for case, both in result["side_by_side"].items():
        rows += [_row(f"a naive task, {case}", both["naive"]), _row(f"triage, {case}", both["triage"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(_line(row, widths) for row in rows)


def is_good(result: Mapping[str, Any]) -> bool:
    """Whether nothing was made twice, lost, or held without need, and almost every boundary was tried."""
    wrong = ("duplicates", "lost", "held_unexpected")
    parts = (result, result["pairs"])
    is_tried = all(part["missed"] <= part["boundaries"] * MISSES for part in parts)
    return is_tried and not any(part[name] for part in parts for name in wrong)


def _cases(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.case for result in results))


def _named(case: str, found: Mapping[str, Any]) -> str:
    """The case; with how many boundaries it has where not all were tried."""
    return case if found["boundaries"] == found["recorded"] else f"{case}, of {found['recorded']}"


def _row(name: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("boundaries", *COUNTED, "missed")
    times = ("recovery_p50_s", "recovery_p95_s", "recovery_max_s")
    return (name, *(str(found[key]) for key in keys), *(f"{found[key]:.1f}" for key in times))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join([row[0].ljust(widths[0]), *numbers])


def _quantile(values: Sequence[float], percent: int) -> float:
    if len(values) < 2:
        return round(values[0], 2) if values else 0.0
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)


def _failure(one: Result) -> dict[str, Any]:
    replay = " ".join(f"--at '{at}'" for at in one.at)
    return {
        "case": one.case,
        "at": list(one.at),
        "reached": one.reached,
        "what": one.words[:6],
        "replay": f"python -m tests.crash --case {one.case} {replay}",
    }
