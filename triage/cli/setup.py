"""The commands `migrate` and `doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import plain

if TYPE_CHECKING:
    from triage.cli.checks import Check

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def migrate(*, as_json: frame.AsJson = False) -> None:
    """Bring the database to the schema that this version needs. May be run again, and by several at once.

    Example: [bold]TRIAGE_DATABASE_URL=postgresql+psycopg://… triage migrate[/]
    """
    from triage.store import migrate as migrations  # noqa: PLC0415 - start-up speed

    with frame.services() as opened:
        version = migrations.migrate(opened.database_url)
    if as_json:
        frame.show_json({"version": version})
    else:
        typer.echo(f"the schema is at version {version}")


def doctor(
    *,
    tools: Annotated[
        bool, typer.Option("--tools", help="Also ask every tool: credentials, rights, marker. Changes nothing there.")
    ] = False,
    as_json: frame.AsJson = False,
) -> None:
    """Check every part, and say how to mend what is wrong. Exit code 1 if anything fails.

    Examples: [bold]triage doctor --tools[/] · [bold]triage doctor --json | jq '.[] | select(.state != "ok")'[/]
    """
    from triage.cli import checks  # noqa: PLC0415 - start-up speed

    found = checks.run(ask_tools=tools)
    if as_json:
        frame.show_json([{"part": one.part, "state": one.state, "found": one.found, "mend": one.mend} for one in found])
    else:
        frame.output().print(_table(found))
    raise typer.Exit(frame.Code.NOT_ALL_WELL if any(one.state == "fail" for one in found) else frame.Code.FINE)


def _table(found: "list[Check]") -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in found:
        mend = f"\n→ {one.mend}" if one.mend else ""
        table.add_row(Text(one.state, style=_COLOURS[one.state]), one.part, Text(plain(one.found + mend)))
    return table
