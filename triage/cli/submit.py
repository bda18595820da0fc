"""The command `submit`: one report from options, or many from a file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from triage.cli import filing, frame, look
from triage.ingest import Columns, Form
from triage.model import Json

ONE, MANY = "One report", "Many reports"


class FormChoice(StrEnum):
    """How a file holds its rows; `auto` looks at its name and its beginning."""

    AUTO = "auto"
    CSV = Form.CSV
    JSONL = Form.JSONL


def submit(  # noqa: PLR0913 - each option is a parameter
    *,
    source: Annotated[str | None, typer.Option(help="The system it comes from.", rich_help_panel=ONE)] = None,
    source_id: Annotated[str | None, typer.Option(help="Its id in that system.", rich_help_panel=ONE)] = None,
    title: Annotated[str | None, typer.Option(help="What is wrong, in a line.", rich_help_panel=ONE)] = None,
    kind: Annotated[str | None, typer.Option(help="As the source calls it, such as bug.", rich_help_panel=ONE)] = None,
    body: Annotated[str | None, typer.Option(help="The whole text.", rich_help_panel=ONE)] = None,
    reporter: Annotated[str | None, typer.Option(help="Who reported it.", rich_help_panel=ONE)] = None,
    url: Annotated[str | None, typer.Option(help="Where it can be read.", rich_help_panel=ONE)] = None,
    label: Annotated[list[str] | None, typer.Option(help="May be repeated.", rich_help_panel=ONE)] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9, higher goes first.", rich_help_panel=ONE)] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="PATH", help="`-`: standard input.", rich_help_panel=MANY)
    ] = None,
    form: Annotated[
        FormChoice, typer.Option("--format", help="How the file holds its rows.", rich_help_panel=MANY)
    ] = FormChoice.AUTO,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column a field has.", rich_help_panel=MANY),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="The same value for every row.", rich_help_panel=MANY),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="ROWS", help="Read at most so many.", rich_help_panel=MANY)
    ] = None,
    bad_rows: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all bad rows there, as CSV.", rich_help_panel=MANY)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the runs have come to an end.")] = False,
    timeout: look.Timeout = look.WAIT_SECONDS,
    as_json: frame.AsJson = False,
) -> None:
    r"""Hand in one report from options, or many from a CSV or JSONL file. The same report again is the same run.

    A bad row is told with its number and field, and the good ones go on. Without a mapping, a column named like a field
    (source, source_id, kind, title, body, reporter, url, labels, priority) is that field. Labels in one cell are
    separated by commas.

    Examples: [bold]triage submit --source crm --source-id 4711 --title "Saving fails"[/] ·
    [bold]triage submit --file bugs.csv --map title=Summary --map "source_id=Issue id" --set source=bugzilla --wait[/] ·
    [bold]jq -c '.issues\[]' export.json | triage submit --file - --format jsonl[/]
    """
    one: Json = {
        "source": source,
        "source_id": source_id,
        "title": title,
        "kind": kind,
        "body": body,
        "reporter": reporter,
    }
    one |= {"url": url, "labels": label, "priority": priority}
    fields = {name: value for name, value in one.items() if value is not None}
    many = {"--map": mapping, "--set": constant, "--limit": limit, "--bad-rows": bad_rows}
    _check(fields, file, [name for name, value in many.items() if value])
    how = filing.How(wait=frame.seconds(timeout) if wait else None, as_json=as_json)
    if file is None:
        raise typer.Exit(filing.one(fields, how))
    columns = Columns.parse(mapping or (), constant or ())
    known = None if form is FormChoice.AUTO else Form(form)
    raise typer.Exit(filing.many(filing.Source(file, known, columns, limit, bad_rows), how))


def _check(fields: Json, file: str | None, many: list[str]) -> None:
    """Refuse options that do not go together, rather than leaving some of them out in silence."""
    if file is None and many:
        raise frame.Misused(f"{many[0]} belongs to --file")
    if file is not None and fields:
        raise frame.Misused(f"{min(fields)}: with --file the reports come from the file; for all rows alike use --set")
    if file is None and not fields:
        raise frame.Misused("nothing to submit: give --source, --source-id and --title, or --file")
