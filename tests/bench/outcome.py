"""From the rounds' figures to medians, ratios, a table and JSON."""

import statistics
from typing import Any

from tests.bench.rounds import FIGURES

Rounds = dict[str, list[dict[str, Any]]]


def summary(rounds: Rounds) -> dict[str, Any]:
    """`systems.<name>.<figure>` medians, `ratios.<figure>` of the product to the bare chain, and all raw values.

    `guards.<figure>` are the ratios to the product without its guards.
    """
    systems = {name: _medians(taken) for name, taken in rounds.items()}
    ratios = {"ratios": _ratios(systems, "bare"), "guards": _ratios(systems, "unguarded")}
    return {"systems": systems, **ratios, "rounds": rounds}


def table(result: dict[str, Any]) -> str:
    """The figures for people; the last column is the median of the product divided by that of the bare chain."""
    systems, ratios = result["systems"], result["ratios"]
    names = sorted({figure for of in systems.values() for figure in of}, key=_order)
    head = f"{'':22}" + "".join(f"{name:>12}" for name in systems) + f"{'triage/bare':>14}"
    guards = ", ".join(f"{name} {ratio:.2f}" for name, ratio in result["guards"].items())
    told = [f"with guards to without: {guards}"] if guards else []
    return "\n".join([head, *(_row(name, systems, ratios) for name in names), *told])


def _row(figure: str, systems: dict[str, dict[str, float]], ratios: dict[str, float]) -> str:
    cells = "".join(f"{of[figure]:12.2f}" if figure in of else f"{'':12}" for of in systems.values())
    return f"{figure:22}{cells}" + (f"{ratios[figure]:14.2f}" if figure in ratios else "")


def _order(figure: str) -> tuple[int, str]:
    return (FIGURES.index(figure) if figure in FIGURES else len(FIGURES), figure)


def _medians(taken: list[dict[str, Any]]) -> dict[str, float]:
    flat = [_flat(figures) for figures in taken]
    return {name: round(statistics.median(figures[name] for figures in flat), 3) for name in flat[0]}


def _flat(figures: dict[str, Any]) -> dict[str, float]:
    """Nested figures by their path, such as `cpu_ms.workers`."""
    parts = {f"cpu_ms.{name}": value for name, value in figures.get("cpu_ms", {}).items()}
    return {name: value for name, value in figures.items() if name != "cpu_ms"} | parts


def _ratios(systems: dict[str, dict[str, float]], to: str) -> dict[str, float]:
    ours, theirs = systems.get("triage", {}), systems.get(to, {})
    return {name: round(ours[name] / theirs[name], 3) for name in FIGURES if ours.get(name) and theirs.get(name)}
