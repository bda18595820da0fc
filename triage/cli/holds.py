"""The commands `holds list|resolve`: calls whose outcome only a person can find out."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import act, frame
from triage.cli.text import plain
from triage.story import words

if TYPE_CHECKING:
    from triage.store.runs import HoldView

app = typer.Typer(no_args_is_help=True, help="Calls whose outcome only a person can find out.")
app.command("resolve")(act.resolve)


@app.command("list")
def list_holds(*, as_json: frame.AsJson = False) -> None:
    """List the held calls with what to look for in the other system, the longest waiting first.

    Example: [bold]triage holds list[/]
    """
    with frame.services() as opened:
        found = opened.runs.holds()
    if as_json:
        frame.show_json([one.model_dump(mode="json") for one in found])
    else:
        frame.output().print(_table(found) if found else Text("nothing is held"))


def _table(found: "list[HoldView]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("run", "fence", "tool", "target", "look for", "since", "why"):
        shown.add_column(name, no_wrap=name != "why")
    for one in found:
        since = words.took(datetime.now(UTC) - one.sent_at) if one.sent_at else ""
        cells = (str(one.run_id), str(one.fence), one.tool, one.target, one.key[:16], since, one.reason)
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    return shown
