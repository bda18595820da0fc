"""What `submit` does: hand in, count, tell the bad rows, and wait."""

import csv
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import typer
from rich.progress import Progress

from triage import errors, ingest
from triage.cli import frame, look
from triage.cli.files import STANDARD_INPUT, opened
from triage.cli.text import one_line
from triage.ingest import BadRow
from triage.model import Json, Report, Submitted

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.client import Client
    from triage.store.runs import RunLine

BATCH = 500
"""Reports in one transaction."""
BAD_ROWS_SHOWN = 20


@dataclass(frozen=True)
class How:
    """`wait` is how long to wait for the runs to end, None for not at all."""

    wait: timedelta | None
    as_json: bool


@dataclass(frozen=True)
class Source:
    """Where reports come from and how they are read; all bad rows are written to the file `bad_rows`, if given."""

    path: str
    form: ingest.Form | None
    columns: ingest.Columns
    limit: int | None
    bad_rows: Path | None


@dataclass
class Tally:
    """What became of the rows of a file."""

    new: int = 0
    repeats: int = 0
    bad: int = 0
    shown: list[BadRow] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)

    def count(self, answers: list[Submitted]) -> None:
        """Count what was accepted."""
        created = sum(answer.created for answer in answers)
        self.new += created
        self.repeats += len(answers) - created
        self.runs += [answer.run_id for answer in answers]

    def refuse(self, row: BadRow) -> None:
        """Count a bad row; the first of them are kept to be shown."""
        self.bad += 1
        if len(self.shown) < BAD_ROWS_SHOWN:
            self.shown.append(row)


def one(fields: Json, how: How) -> int:
    """Submit one report; returns the exit code."""
    report = Report.parse(fields)
    with frame.client() as (opened, client):
        done = client.submit(report)
        document: Json = {"run_id": str(done.run_id), "created": done.created}
        if not how.as_json:
            typer.echo(f"run {done.run_id} " + ("accepted" if done.created else "was there: a repeat, nothing new"))
        return _end(opened, client, [done.run_id], document, how)


def many(source: Source, how: How) -> int:
    """Submit the rows of a file, bad ones apart; returns the exit code."""
    tally = Tally()
    with frame.client() as (opened, client):
        _file(source, client, tally, how)
        shown = [asdict(row) for row in tally.shown]
        document = {"new": tally.new, "repeats": tally.repeats, "bad": tally.bad, "bad_rows": shown}
        if not how.as_json:
            _tell(tally, source)
        code = _end(opened, client, tally.runs, document, how)
    return frame.Code.NOT_ALL_WELL if tally.bad else code


def _file(source: Source, client: "Client", tally: Tally, how: How) -> None:
    from triage.client import batches  # noqa: PLC0415 - start-up speed

    bar = frame.progress(as_json=how.as_json, counted=False)
    with opened(source.path) as stream, _bad_rows_file(source.bad_rows) as keep, bar:
        rows = _rows(stream, source, bar)
        for some in batches(_good(rows, tally, keep), BATCH):
            _hand_in(client, some, tally, keep_ids=how.wait is not None)


def _rows(stream: BinaryIO, source: Source, bar: Progress) -> Iterator[Report | BadRow]:
    """The rows; the bar shows how much of the file has been read, where that can be known."""
    form = source.form or ingest.guess_form(source.path, _beginning(stream))
    size = None if source.path == STANDARD_INPUT else Path(source.path).stat().st_size or None
    task = bar.add_task("reading", total=size)
    for number, row in enumerate(ingest.read(stream, form, source.columns, source.limit), 1):
        yield row
        if number % BATCH == 0:
            bar.update(task, completed=stream.tell() if size else 0, description=f"{number} rows")


def _good(rows: Iterator[Report | BadRow], tally: Tally, keep: Any) -> Iterator[Report]:  # noqa: ANN401 - a CSV writer
    for row in rows:
        if isinstance(row, Report):
            yield row
        else:
            tally.refuse(row)
            keep.writerow(asdict(row).values())


def _hand_in(client: "Client", reports: list[Report], tally: Tally, *, keep_ids: bool) -> None:
    try:
        tally.count(client.submit_many(reports, BATCH))
    except errors.StoreUnavailable as error:
        accepted = tally.new + tally.repeats
        problem = f"{error}; {accepted} reports were accepted before. Run the same command again: they are recognised"
        raise errors.StoreUnavailable(problem) from error
    if not keep_ids:
        tally.runs.clear()


def _beginning(stream: BinaryIO) -> bytes:
    """The first bytes, which stay to be read."""
    peek = getattr(stream, "peek", None)
    return bytes(peek(1)) if peek is not None else b""


@contextmanager
def _bad_rows_file(path: Path | None) -> Iterator[Any]:
    """A CSV writer for bad rows; without a path they go nowhere."""
    with ExitStack() as stack:
        try:
            # What is no valid text is written with backslashes, so that the file itself can be read.
            file = Path(path or os.devnull).open("w", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115 - the stack closes it
        except OSError as error:
            raise frame.Misused(f"--bad-rows {path}: {error.strerror or error}") from None
        writer = csv.writer(stack.enter_context(file))
        writer.writerow(BadRow.__dataclass_fields__)
        yield writer


def _tell(tally: Tally, source: Source) -> None:
    for row in tally.shown:
        typer.echo(
            f"row {row.row} (line {row.line}), {one_line(row.field, 60)}: {one_line(row.problem, 300)}", err=True
        )
    if tally.bad > len(tally.shown):
        where = f"all are in {source.bad_rows}" if source.bad_rows else "--bad-rows FILE keeps them all"
        frame.note(f"… and {tally.bad - len(tally.shown)} more bad rows; {where}")
    typer.echo(f"{tally.new} accepted new · {tally.repeats} repeats · {tally.bad} bad rows")


def _end(opened: "Services", client: "Client", runs: list[UUID], document: Json, how: How) -> int:
    """Wait for the runs if asked to, and print the document or how the runs ended."""
    lines: list[RunLine] = []
    try:
        if how.wait is not None:
            lines = look.wait_for(opened, client, runs, how.wait, as_json=how.as_json)
            document["ended"] = look.counts(lines)
    except TimeoutError as error:
        document["unfinished"] = len(getattr(error, "unfinished", ()))
        raise
    finally:
        if how.as_json:
            frame.show_json(document)
    if how.wait is not None and not how.as_json:
        look.tell_ends(lines)
    return look.code_of(lines)
