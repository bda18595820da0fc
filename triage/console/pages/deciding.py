"""Deciding: which step decides, how often it is right, what it costs, and which learned model is in use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.bootstrap import Services
from triage.console.charts import Dot, dots
from triage.console.desk import REFUSALS, back, desk, form, page, visit
from triage.console.graphs import RANGES, Range
from triage.console.kept import Kept
from triage.store.candidates import Share
from triage.store.corrections import Record
from triage.store.models import ModelView

CHOICES = tuple(RANGES[name] for name in ("24h", "7d", "30d"))
STEPS = {"rules": "good", "learned": "busy", "llm": "accent", "nobody": "warn"}
"""The steps in the order in which they are asked, with their colours; nobody: it was left to a person."""
LONGEST_WHY = 1_000
LONGEST_VERSION = 200
SHOWN = 50
_RECORDS: Kept[list[Record]] = Kept()
_SHARES: Kept[list[Share]] = Kept()


@dataclass(frozen=True, slots=True)
class Step:
    """What one step decided, of all, and how much of that people corrected; `at` and `share` are for the bar."""

    name: str
    style: str
    decided: int
    corrected: int
    at: float
    share: float


def deciding(request: Request) -> Response:
    """All of it on one page."""
    services = desk(request).services
    chosen = next((one for one in CHOICES if one.name == request.query_params.get("range")), CHOICES[0])
    since = datetime.now(UTC) - chosen.span
    records = _RECORDS.get(chosen.name, lambda: services.corrections.summary(since))
    models = services.models.all()
    in_use = next((one for one in models if one.in_use), None)
    file = services.settings.learned
    return page(
        request,
        "deciding.html",
        chosen=chosen,
        ranges=CHOICES,
        records=records,
        steps=list(_steps(records)),
        by_model=services.money.spending("model", since=since.date(), limit=SHOWN),
        by_prompt=services.money.spending("prompt", since=since.date(), limit=SHOWN),
        models=models[:SHOWN],
        in_use=in_use,
        calibration=_calibration(in_use),
        file=file if isinstance(file, Path) else None,
        history=services.models.history(10),
        shadows=services.candidates.summaries(chosen.span),
        shares=_shares(services, chosen),
        pairs=services.candidates.pairs(chosen.span)[:SHOWN],
    )


def ask(request: Request) -> Response:
    """What using another model, or going back, means; and the form that does it."""
    services, rolls = desk(request).services, request.url.path.endswith("rollback")
    model = None if rolls else services.models.get(request.query_params.get("version", "")[:LONGEST_VERSION])
    last = next(iter(services.models.history(1)), None)
    return page(request, "ask_model.html", model=model, in_use=last.in_use if last else None)


def use(request: Request) -> Response:
    """Let all workers decide with a stored model."""
    sent, models = form(request), desk(request).services.models
    version = sent.get("version")[:LONGEST_VERSION]
    try:
        changed = models.use(version, by=visit(request).who, why=sent.get("why")[:LONGEST_WHY])
    except REFUSALS as error:
        return back(request, "/deciding", str(error), failed=True)
    told = "All workers decide with it within some seconds." if changed else "It is in use already."
    return back(request, "/deciding", f"{version}: {told}")


def roll_back(request: Request) -> Response:
    """Use again what was in use before."""
    try:
        version = desk(request).services.models.roll_back(
            by=visit(request).who, why=form(request).get("why")[:LONGEST_WHY]
        )
    except REFUSALS as error:
        return back(request, "/deciding", str(error), failed=True)
    return back(request, "/deciding", f"In use again: {version or 'none of the stored models'}.")


def _steps(records: Sequence[Record]) -> Iterator[Step]:
    """In the order in which they are asked; what is not known comes last."""
    whole, at = sum(one.decided for one in records) or 1, 0.0
    names = sorted({one.decided_by for one in records}, key=lambda name: ([*STEPS, name].index(name), name))
    for name in names:
        its = [one for one in records if one.decided_by == name]
        decided = sum(one.decided for one in its)
        yield Step(name, STEPS.get(name, "dim"), decided, sum(one.corrected for one in its), at, decided / whole)
        at += decided / whole


def _shares(services: Services, chosen: Range) -> list[Share]:
    """Who decided while a canary is set: without one there is nothing to compare."""
    candidate = services.settings.candidate
    if candidate is None or candidate.mode != "canary":
        return []
    return _SHARES.get(chosen.name, lambda: services.candidates.shares(chosen.span))


def _calibration(model: ModelView | None) -> tuple[Dot, ...]:
    """Of the model in use, if its numbers have it: they are what its training kept, whoever made it."""
    bins = model.numbers.get("bins") if model else None
    return dots([_bin(one) for one in bins if isinstance(one, dict)]) if isinstance(bins, list) else ()


def _bin(one: dict[str, Any]) -> tuple[float, float, int]:
    return float(one.get("confidence", 0)), float(one.get("right", 0)), int(one.get("cases", 0))


ROUTES = [
    Route("/deciding", deciding),
    Route("/deciding/use", ask, methods=["GET"]),
    Route("/deciding/use", use, methods=["POST"]),
    Route("/deciding/rollback", ask, methods=["GET"]),
    Route("/deciding/rollback", roll_back, methods=["POST"]),
]
