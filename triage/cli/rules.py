"""The command `rules test`: which rule decides each report of a file."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage import ingest
from triage.cli import frame
from triage.cli.files import opened
from triage.cli.submit import FormChoice
from triage.cli.text import one_line
from triage.ingest import BadRow, Columns
from triage.model import Json, Report

if TYPE_CHECKING:
    from triage.decide.rules import Rules

app = typer.Typer(no_args_is_help=True, help="The rules that decide.")

NO_RULE = "–"


@app.callback()
def _group() -> None:
    """The rules that decide."""


@app.command("test")
def try_reports(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Reports as CSV or JSONL; `-`: standard input.")],
    *,
    rules: Annotated[Path | None, typer.Option(metavar="FILE", help="Other rules than the settings'.")] = None,
    form: Annotated[FormChoice, typer.Option("--format", help="How the file holds its rows.")] = FormChoice.AUTO,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Which column a field has.")
    ] = None,
    constant: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="The same value for every row.")
    ] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Leave the single reports out.")] = False,
    as_json: frame.AsJson = False,
) -> None:
    """Say which rule decides each report, and how many each rule decides. Nothing is submitted.

    Example: [bold]triage rules test bugs.csv --map title=Summary --map "source_id=Issue id" --set source=bugzilla[/]
    """
    from triage import config  # noqa: PLC0415 - start-up speed
    from triage.decide.rules import Rules  # noqa: PLC0415 - start-up speed

    loaded = Rules.load(rules or config.load().rules)
    columns = Columns.parse(mapping or (), constant or ())
    tally = Counter({rule.name: 0 for rule in loaded.rules} | {NO_RULE: 0})
    bad: list[BadRow] = []
    answers: list[Json] = []
    for row in _rows(file, form, columns):
        if isinstance(row, BadRow):
            bad.append(row)
            continue
        answer = _answer(row, loaded)
        tally[answer["rule"] or NO_RULE] += 1
        answers.append(answer)
    _tell(answers, tally, bad, counts=counts, as_json=as_json)
    if bad:
        raise typer.Exit(frame.Code.NOT_ALL_WELL)


def _answer(report: Report, rules: "Rules") -> Json:
    rule = rules.match(report)
    said = {"kind": rule.kind, "severity": rule.severity, "tentative": rule.tentative} if rule else {}
    decided = {"rule": rule.name if rule else None, **said}
    return {"source_id": report.source_id, "title": report.title, **decided}


def _rows(path: str, form: FormChoice, columns: Columns) -> Iterator[Report | BadRow]:
    with opened(path) as stream:
        peek = getattr(stream, "peek", None)
        guessed = ingest.guess_form(path, bytes(peek(1)) if peek is not None else b"")
        known = guessed if form is FormChoice.AUTO else ingest.Form(form)
        yield from ingest.read(stream, known, columns)


def _tell(answers: list[Json], tally: Counter[str], bad: list[BadRow], *, counts: bool, as_json: bool) -> None:
    if as_json:
        rows = [{"row": row.row, "line": row.line, "field": row.field, "problem": row.problem} for row in bad]
        shown = {} if counts else {"reports": answers}
        none = {"rules": {name: count for name, count in tally.items() if name != NO_RULE}, "no_rule": tally[NO_RULE]}
        frame.show_json({**none, "bad_rows": rows, **shown})
        return
    for row in bad:
        typer.echo(f"row {row.row} (line {row.line}), {row.field}: {one_line(row.problem, 300)}", err=True)
    for answer in [] if counts else answers:
        decided = f"{answer['rule'] or NO_RULE:<28} {answer.get('kind', ''):<13} {answer.get('severity', ''):<8}"
        typer.echo(f"{one_line(answer['source_id'], 20):<12}  {decided}  {one_line(answer['title'], 90)}")
    typer.echo("\n" * (not counts) + "\n".join(f"{count:>6}  {name}" for name, count in tally.most_common()))
    guessed = sum(answer.get("tentative", False) for answer in answers)
    parts = (f"{len(answers)} reports", f"{guessed} by a tentative rule", f"{tally[NO_RULE]} without a rule")
    typer.echo(" · ".join((*parts, f"{len(bad)} bad rows")))
