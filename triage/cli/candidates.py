"""The command `candidates`: how a canary or a shadow does beside what decides."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame, trials
from triage.cli.spending import dollars
from triage.cli.text import one_line

if TYPE_CHECKING:
    from triage.store.candidates import Pair, Share, Summary


def candidates(*, since: trials.Since = "7d", as_json: frame.AsJson = False) -> None:
    """Tell how often candidates agreed with what was decided, where they differ, and what both cost.

    A shadow is compared run by run; a canary decides, so it is told what became of its runs beside the others'. Both
    are set as `candidate`. Runs of which no comparison was kept are not counted. JSON has micro-USD.

    Example: [bold]triage candidates --since 7d[/]
    """
    back = trials.lookback(since)
    with frame.services() as opened:
        found = opened.candidates
        shadows, pairs, shares = found.summaries(back), found.pairs(back), found.shares(back)
        chosen = opened.settings.candidate
    canaries = shares if any(one.candidate for one in shares) else []
    if as_json:
        told = chosen and {"name": chosen.name, "mode": chosen.mode, "share": chosen.share, **chosen.told}
        parts = {"shadows": [asdict(one) for one in shadows], "differences": [asdict(one) for one in pairs]}
        frame.show_json({"candidate": told, **parts, "canaries": [asdict(one) for one in canaries]})
        return
    if chosen is None:
        frame.note("no candidate is set now")
    _tell(shadows, pairs, canaries)


def _tell(shadows: "list[Summary]", pairs: "list[Pair]", canaries: "list[Share]") -> None:
    for one in shadows:
        _tell_shadow(one, [pair for pair in pairs if pair.candidate == one.candidate])
    if canaries:
        frame.output().print(_shares(canaries))
    if not shadows and not canaries:
        typer.echo("no candidate decided anything in that time")


def _tell_shadow(one: "Summary", pairs: "list[Pair]") -> None:
    decided = one.runs - one.failed
    share = f" ({one.agreed / decided:.1%})" if decided else ""
    typer.echo(f"{one.candidate}: {one.runs} runs, agreed on {one.agreed} of {decided}{share}, {one.failed} failed")
    typer.echo(f"  p50 {one.seconds_p50 * 1000:.0f} ms, p95 {one.seconds_p95 * 1000:.0f} ms a report")
    typer.echo(f"  cost {dollars(one.cost)} USD; what decided them cost {dollars(one.own_cost)} USD")
    for pair in pairs:
        typer.echo(f"  {pair.was} → {pair.now}: {pair.runs}" + (" (another field)" if pair.was == pair.now else ""))
    for error in one.errors or ():
        typer.echo(f"  failed: {one_line(error, 200)}")


def _shares(canaries: "list[Share]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for number, name in enumerate(("decided by", "runs", "left to a person", "corrected", "cost $")):
        shown.add_column(name, justify="right" if number else "left", no_wrap=True)
    for one in canaries:
        numbers = (str(one.runs), str(one.nobody), str(one.corrected), dollars(one.cost))
        shown.add_row(Text(one.candidate or "what is set"), *numbers)
    return shown
