"""The command `webhooks`: who is told what became of runs, and how that goes."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import one_line
from triage.model import Json

if TYPE_CHECKING:
    from triage.store.outbox import Counts

ERROR_WIDTH = 60


def webhooks(*, as_json: frame.AsJson = False) -> None:
    """List the webhooks with what waits, what was told, what was given up, and the last error.

    What was told or given up is forgotten after 30 days. A webhook stands here once a worker has begun to tell it.

    Example: [bold]triage webhooks --json[/]
    """
    with frame.services() as opened:
        found = opened.outbox.counts()
    if as_json:
        frame.show_json([_document(one) for one in found])
    elif found:
        frame.output().print(_table(found))
    else:
        typer.echo("no webhook has been told anything yet")


def _document(one: "Counts") -> Json:
    return asdict(one) | {"oldest": one.oldest.isoformat() if one.oldest else None}


def _table(found: "list[Counts]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    shown.add_column("webhook", no_wrap=True)
    for name in ("waiting", "told", "given up"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("oldest that waits", no_wrap=True)
    shown.add_column("last error")
    for one in found:
        numbers = (f"{number:,}" for number in (one.waiting, one.told, one.given_up))
        cells = (one.name, *numbers, _time(one.oldest), one_line(one.error or "", ERROR_WIDTH))
        shown.add_row(*map(Text, cells), style="red" if one.given_up else None)
    return shown


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
