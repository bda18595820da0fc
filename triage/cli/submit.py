"""The command `submit`: one report from options, or many from a file."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TextIO
from uuid import UUID

import typer

from triage import errors, ingest
from triage.cli import frame, look
from triage.cli.text import one_line
from triage.ingest import BadRow
from triage.model import Report

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.client import Client
    from triage.model import Submitted
    from triage.store.runs import RunLine

BATCH = 500
"""Reports in one transaction."""
BAD_ROWS_SHOWN = 20
ONE, MANY = "One report", "Many reports"
FORMS = ("auto", *ingest.Form)


@dataclass
class Tally:
    """What became of the rows of a file. `runs` holds the ids only if somebody waits for them."""

    new: int = 0
    repeats: int = 0
    bad: int = 0
    shown: list[BadRow] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)

    def accepted(self, answers: "list[Submitted]", *, keep: bool) -> None:
        """Count what was accepted."""
        created = sum(answer.created for answer in answers)
        self.new += created
        self.repeats += len(answers) - created
        self.runs += [answer.run_id for answer in answers] if keep else []

    def refused(self, row: BadRow) -> None:
        """Count a bad row; the first of them are kept to be shown."""
        self.bad += 1
        if len(self.shown) < BAD_ROWS_SHOWN:
            self.shown.append(row)


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
        str, typer.Option("--format", help="auto, csv or jsonl.", autocompletion=lambda: FORMS, rich_help_panel=MANY)
    ] = "auto",
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
    """Hand in one report from options, or many from a CSV or JSONL file. The same report again is the same run.

    A bad row is told with its number and field, and the good ones go on. Without a mapping, a column named like a field
    (source, source_id, kind, title, body, reporter, url, labels, priority) is that field. Labels in one cell are separated
    by commas.

    Examples: [bold]triage submit --source crm --source-id 4711 --title "Saving fails"[/] ·
    [bold]triage submit --file bugs.csv --map title=Summary --map "source_id=Issue id" --set source=bugzilla --wait[/] ·
    [bold]jq -c '.issues\\[]' export.json | triage submit --file - --format jsonl[/]
    """
    one = {"source": source, "source_id": source_id, "title": title, "kind": kind, "body": body, "reporter": reporter}
    one |= {"url": url, "labels": label, "priority": priority}
    given = {name: value for name, value in one.items() if value is not None}
    many = {"--format": form != "auto", "--map": mapping, "--set": constant, "--limit": limit, "--bad-rows": bad_rows}
    _check(given, file, [name for name, value in many.items() if value])
    waiting = frame.seconds(timeout) if wait else None
    if file is None:
        code = _Submission(as_json=as_json, waiting=waiting).one(given)
    else:
        columns = ingest.Columns.parse(mapping or (), constant or ())
        code = _Submission(as_json=as_json, waiting=waiting).many(file, form, columns, limit, bad_rows)
    raise typer.Exit(code)
