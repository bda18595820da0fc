"""The commands `spending` and `budgets`: what asking models cost, and how much they may still cost."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import plain
from triage.model import Json

if TYPE_CHECKING:
    from triage.model.money import Limits
    from triage.store.money import Spending

SCOPES = ("reporter", "source", "day", "month", "total")
"""The budgets that are shared; each run has one of its own."""
UNLIMITED = "–"


class By(StrEnum):
    """What spending is told by."""

    DAY = "day"
    MODEL = "model"
    PROMPT = "prompt"
    SOURCE = "source"
    REPORTER = "reporter"
    RUN = "run"
    ATTEMPT = "attempt"


def spending(
    *,
    by: Annotated[By, typer.Option(help="What to tell it by; attempts are RUN/FENCE, reporters SOURCE/HASH.")] = By.DAY,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on (UTC).")] = None,
    run: Annotated[str | None, typer.Option(metavar="RUN", help="Of this run only.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: frame.AsJson = False,
) -> None:
    """Tell what asking models cost, the dearest first: tokens, and dollars spent, reserved and unaccounted.

    Reserved is under way. Unaccounted was never settled, as its worker died; both count as spent. JSON has micro-USD.

    Example: [bold]triage spending --by model --since 2026-01-01[/]
    """
    first = since.date() if since else date.min
    of_run = frame.run_id(run) if run else None
    with frame.services() as opened:
        found = opened.money.spending(by.value, since=first, run_id=of_run, limit=limit)
    if as_json:
        frame.show_json([asdict(one) for one in found])
    elif found:
        frame.output().print(_spent(by, found))
    else:
        typer.echo("no model was asked")
    if len(found) == limit:
        frame.note(f"only the dearest {limit}; --limit shows more")


def budgets(*, as_json: frame.AsJson = False) -> None:
    """Tell the budgets for asking models: what may be spent, what is taken today, this month and ever, what is left.

    A reporter is a source and a hash; `triage spending --by reporter --run RUN` tells a run's. Only the dearest are
    told. JSON has micro-USD. What is left is below zero when a bill came to more than was reserved, or a limit was
    lowered.

    Example: [bold]triage budgets[/]
    """
    with frame.services() as opened:
        llm = opened.settings.llm
        found = list(_lines(opened.money.taken(), llm.budgets.limits if llm else None))
    if as_json:
        asks = llm.budgets.asks if llm else None
        frame.show_json({"model": llm.model.name if llm else None, "budgets": found, "asks_per_hour": asks})
        return
    if llm is None:
        frame.note("no model is set (llm.model), so none is asked and no budget is set")
    elif llm.budgets.asks is not None:
        frame.note(f"for each reporter a model is asked at most {llm.budgets.asks} times an hour")
    frame.output().print(_taken(found))


def dollars(amount: int) -> str:
    """Micro-USD as dollars, to a hundredth of a cent, rounded half even."""
    return f"{Decimal(amount).scaleb(-6):,.4f}"


def _lines(taken: dict[tuple[str, str], int], limits: "Limits | None") -> Iterator[Json]:
    """The run's budget has no one sum; a source or reporter that took nothing today is not there."""
    yield _line("run", "each", limits.run if limits else None, None)
    for scope in SCOPES:
        limit = getattr(limits, scope) if limits else None
        names = sorted(name for one, name in taken if one == scope)
        for name in names or ["each" if scope in {"reporter", "source"} else ""]:
            yield _line(scope, name, limit, taken.get((scope, name), 0))


def _line(scope: str, name: str, limit: int | None, taken: int | None) -> Json:
    left = limit - (taken or 0) if limit is not None else None
    return {"scope": scope, "name": name, "limit": limit, "taken": taken, "left": left}


def _taken(found: list[Json]) -> Table:
    shown = _table("budget", ("limit $", "taken $", "left $"))
    for one in found:
        name = f"{one['scope']} {one['name']}".strip()
        amounts = [one[key] for key in ("limit", "taken", "left")]
        cells = (Text(UNLIMITED if amount is None else dollars(amount)) for amount in amounts)
        shown.add_row(Text(plain(name)), *cells, style="red" if one["left"] is not None and one["left"] <= 0 else None)
    return shown


def _spent(by: By, found: "list[Spending]") -> Table:
    counts = ("asks", "requests", "tokens in", "out", "cached", "reasoning")
    shown = _table(by.value, (*counts, "spent $", "reserved $", "unaccounted $"))
    for one in found:
        tokens = (one.input_tokens, one.output_tokens, one.cached_tokens, one.reasoning_tokens)
        numbers = (f"{number:,}" for number in (one.asks, one.requests, *tokens))
        amounts = (dollars(amount) for amount in (one.spent, one.reserved, one.unaccounted))
        shown.add_row(Text(plain(one.name)), *(Text(cell) for cell in (*numbers, *amounts)))
    return shown


def _table(first: str, others: tuple[str, ...]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    shown.add_column(first, no_wrap=True)
    for name in others:
        shown.add_column(name, justify="right", no_wrap=True)
    return shown
