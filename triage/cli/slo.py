"""The command `slo`: how the objectives stand, and what is left of their error budgets."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.model import Json

if TYPE_CHECKING:
    from triage.alerts.standing import Burning, Standing


def slo(*, as_json: frame.AsJson = False) -> None:
    """Tell for each objective what was promised, what came of it, what is left of the error budget, and what fires.

    Computed from Postgres; no Prometheus is needed. A burn rate of 1 uses the budget up exactly within the window. JSON
    has times in seconds.

    Example: [bold]triage slo --json[/]
    """
    with frame.services() as opened:
        from triage.alerts import standing  # noqa: PLC0415 - start-up speed

        found = standing.standings(opened.overview, opened.settings.objectives, datetime.now(UTC))
    if as_json:
        frame.show_json([_document(one) for one in found])
        return
    frame.output().print(_objectives(found))
    typer.echo("")
    frame.output().print(_burns(found))
    for one in found:
        if one.overdue:
            frame.note(f"{one.overdue} unfinished runs are late already; they count as bad in {one.name}")


def _document(one: "Standing") -> Json:
    burns = [_seconds(asdict(burn)) for burn in one.burns]
    said = _seconds(asdict(one)) | {"burns": burns, "fires": list(one.fires)}
    return said | {"events": one.events.total, "bad": one.events.bad, "good": one.events.total - one.events.bad}


def _seconds(fields: Json) -> Json:
    return {name: value.total_seconds() if isinstance(value, timedelta) else value for name, value in fields.items()}


def _objectives(found: "tuple[Standing, ...]") -> Table:
    shown = _table("objective", ("target", "window", "accepted", "good", "of", "reached", "budget left", "fires"))
    for one in found:
        good = one.events.total - one.events.bad
        told = (f"{one.target:.3%}", f"{one.window.days} d", f"{one.accepted:,}", f"{good:,}", f"{one.events.total:,}")
        cells = (*told, f"{1 - one.events.ratio:.3%}", f"{one.left:.1%}", ", ".join(one.fires) or "nothing")
        shown.add_row(one.name, *map(Text, cells), style="red" if one.left < 0 or one.fires else None)
    return shown


def _burns(found: "tuple[Standing, ...]") -> Table:
    shown = _table("burn rate", ("tells", "long", "rate", "short", "rate", "above", "fires"))
    for one in found:
        for burn in one.burns:
            shown.add_row(one.name, *map(Text, _told(burn)), style="red" if burn.fires else None)
    return shown


def _told(burn: "Burning") -> tuple[str, ...]:
    from triage.alerts.alert import duration  # noqa: PLC0415 - start-up speed

    pair = (duration(burn.long), f"{burn.rate_long:.2f}", duration(burn.short), f"{burn.rate_short:.2f}")
    return (burn.severity, *pair, f"{burn.most:g}", "yes" if burn.fires else "no")


def _table(first: str, others: tuple[str, ...]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    shown.add_column(first, no_wrap=True)
    for name in others:
        shown.add_column(name, justify="right", no_wrap=True)
    return shown
