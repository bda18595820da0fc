"""The commands `correct` and `corrections`: what people say that decisions should have been."""

import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import one_line, plain

if TYPE_CHECKING:
    from triage.store.corrections import Record

AGO = re.compile(r"([0-9]{1,5})([dh])")


def correct(
    run: frame.RunId,
    says: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE...", help="Of kind, severity, component and route.")
    ],
    *,
    as_json: frame.AsJson = False,
) -> None:
    """Say what a decision should have been. It is kept as a label to learn from; nothing that was done is changed.

    Examples: [bold]triage correct 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b kind=feature[/] ·
    [bold]triage correct 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b severity=low component=checkout[/]
    """
    from triage.store.corrections import checked  # noqa: PLC0415 - start-up speed

    values = dict(_pair(text) for text in says)
    if len(values) < len(says):
        raise frame.Misused("say each field once")
    for field, value in values.items():
        checked(field, value)
    with frame.client() as (_, client):
        changes = client.correct(frame.run_id(run), by=frame.who(), **values)
    if as_json:
        told = [asdict(change) | {"changed": change.changed} for change in changes]
        frame.show_json({"run_id": run, "changes": told})
        return
    for change in changes:
        was = change.was or "nothing"
        went = f"was {was}, is now {change.now or 'nothing'}" if change.changed else f"is {was} already"
        typer.echo(plain(f"{change.field} {went}"))


def corrections(
    *,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="Of reports from then on: a date (UTC), or such as 30d or 12h ago.")
    ] = "",
    as_json: frame.AsJson = False,
) -> None:
    """Tell how many decisions of each decider people corrected.

    A decision that nobody corrected may still be wrong: perhaps nobody has looked.

    Example: [bold]triage corrections --since 30d[/]
    """
    start = moment_of(since) if since else None
    with frame.services() as opened:
        found = opened.corrections.summary(start)
    if as_json:
        frame.show_json([asdict(one) for one in found])
    elif found:
        frame.output().print(_table(found))
    else:
        typer.echo("nothing was decided")


def moment_of(text: str) -> datetime:
    """A date or time (UTC unless it says otherwise), or so many days or hours ago; raises `Misused`."""
    if ago := AGO.fullmatch(text):
        span = timedelta(days=int(ago[1])) if ago[2] == "d" else timedelta(hours=int(ago[1]))
        return datetime.now(UTC) - span
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise frame.Misused(f"--since {text[:40]}: say a date such as 2026-01-31, or 30d, or 12h") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _pair(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals:
        raise frame.Misused(f"{text}: must be FIELD=VALUE, such as kind=feature")
    return field, value


def _table(found: "list[Record]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in (
        "decided by",
        "version",
        "decided",
        "corrected",
        "kind",
        "severity",
        "component",
        "route",
        "kind kept",
    ):
        shown.add_column(name, no_wrap=True)
    for one in found:
        counts = (one.decided, one.corrected, one.kind, one.severity, one.component, one.route)
        told = (one_line(one.decided_by, 40), one_line(one.version or "–", 60), *(f"{count:,}" for count in counts))
        shown.add_row(*(Text(plain(cell)) for cell in (*told, f"{1 - one.kind / one.decided:.1%}")))
    return shown
