"""What `learn` and `eval` share: reading labelled reports, keeping the bad rows apart, and splitting by time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias

import typer

from triage import ingest
from triage.cli import frame
from triage.cli.files import STANDARD_INPUT, opened
from triage.cli.submit import FormChoice
from triage.cli.text import one_line
from triage.decide.learned.reports import LabelledReport
from triage.ingest import BadRow
from triage.ingest.labelled import ClosedReport, LabelColumns, read
from triage.model import Json

READING = "Reading"
SHOWN = 20
"""Bad rows that are told."""
EVERY = 200
"""Rows between two movements of the bar."""

File: TypeAlias = Annotated[str, typer.Argument(metavar="FILE", help="Closed reports; `-`: standard input.")]
FileOrNone: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[FILE]", help="Closed reports; `-`: standard input.")
]
Form: TypeAlias = Annotated[
    FormChoice, typer.Option("--from", help="How the file holds its rows.", rich_help_panel=READING)
]
Label: TypeAlias = Annotated[
    str, typer.Option(metavar="COLUMN", help="What people said it was.", rich_help_panel=READING)
]
Title: TypeAlias = Annotated[str, typer.Option(metavar="COLUMN", help="The titles.", rich_help_panel=READING)]
Body: TypeAlias = Annotated[str | None, typer.Option(metavar="COLUMN", help="The texts.", rich_help_panel=READING)]
Created: TypeAlias = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="When it was reported.", rich_help_panel=READING)
]
Renamed: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OLD=NEW", help="Count a label as another.", rich_help_panel=READING),
]
Dropped: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="LABEL", help="Leave its reports out.", rich_help_panel=READING),
]
Kept: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--keep", metavar="LABEL", help="Look at these labels only.", rich_help_panel=READING),
]
From: TypeAlias = Annotated[
    datetime | None, typer.Option("--test-from", metavar="DATE", help="Measure on reports from then on (UTC).")
]
Target: TypeAlias = Annotated[float, typer.Option(min=0.5, max=0.99, help="How often opinions should be right.")]


@dataclass(frozen=True)
class Source:
    """A file and how it is read; labels are renamed first. `kept` are the only ones looked at, if there are any."""

    path: str
    form: FormChoice
    columns: LabelColumns
    renamed: Mapping[str, str]
    dropped: frozenset[str]
    kept: frozenset[str]

    @classmethod
    def of(
        cls,
        path: str,
        form: FormChoice,
        columns: Mapping[str, str | None],
        renamed: Sequence[str] | None,
        dropped: Sequence[str] | None,
        kept: Sequence[str] | None,
    ) -> "Source":
        """From options; raises `Misused` for a mapping that is none."""
        given = LabelColumns({name: column for name, column in columns.items() if column is not None})
        pairs = [text.partition("=") for text in renamed or ()]
        for old, equals, new in pairs:
            if not old or not equals or not new:
                raise frame.Misused(f"--map {old}{equals}{new}: must be OLD=NEW")
        return cls(
            path, form, given, {old: new for old, _, new in pairs}, frozenset(dropped or ()), frozenset(kept or ())
        )


@dataclass
class Found:
    """What was in the file."""

    reports: list[LabelledReport] = field(default_factory=list)
    unlabelled: int = 0
    ambiguous: int = 0
    dropped: int = 0
    bad: int = 0
    ours: int = 0
    """Tickets of our own, which are not learned from."""
    shown: list[BadRow] = field(default_factory=list)

    def as_json(self) -> Json:
        """The counts, and the first bad rows."""
        counts = {"reports": len(self.reports), "unlabelled": self.unlabelled, "ambiguous": self.ambiguous}
        counts |= {"ours": self.ours} if self.ours else {}
        return counts | {"dropped": self.dropped, "bad": self.bad, "bad_rows": [asdict(row) for row in self.shown]}

    def tell(self) -> None:
        """Bad rows on standard error, counts on standard output."""
        for row in self.shown:
            typer.echo(f"row {row.row} (line {row.line}), {row.field}: {one_line(row.problem, 300)}", err=True)
        if self.bad > len(self.shown):
            frame.note(f"… and {self.bad - len(self.shown)} more bad rows")
        labels = Counter(report.label for report in self.reports).most_common()
        typer.echo(
            f"{len(self.reports)} labelled reports · {self.unlabelled} without a label · "
            f"{self.ambiguous} with several · {self.dropped} left out · {self.bad} bad rows"
            + (f" · {self.ours} of our own left out" if self.ours else "")
        )
        typer.echo("labels: " + ", ".join(f"{one_line(label, 40)} {count}" for label, count in labels))


def load(source: Source, *, as_json: bool) -> Found:
    """Read the whole file, with a bar; raises `UnreadableFile`."""
    found = Found()
    with opened(source.path) as stream, frame.progress(as_json=as_json, counted=False) as bar:
        size = None if source.path == STANDARD_INPUT else Path(source.path).stat().st_size or None
        task = bar.add_task("reading", total=size)
        for number, row in enumerate(_rows(stream, source)):
            count(found, row, source)
            if number % EVERY == 0 and size:
                bar.update(task, completed=stream.tell())
    return found


def split(found: Found, start: datetime | None) -> tuple[list[LabelledReport], list[LabelledReport]]:
    """The reports before a time, and those from it on; all are before None. Raises `Misused` if one has no time."""
    if start is None:
        return found.reports, []
    moment = start if start.tzinfo else start.replace(tzinfo=UTC)
    if without := sum(report.created is None for report in found.reports):
        raise frame.Misused(f"--test-from needs --created, and {without} reports have no time")
    past = [report for report in found.reports if report.created and report.created < moment]
    later = [report for report in found.reports if report.created and report.created >= moment]
    if not past or not later:
        raise frame.Misused(
            f"--test-from {moment:%Y-%m-%d}: {len(past)} reports before it and {len(later)} from then on"
        )
    return past, later


@contextmanager
def extra() -> Iterator[None]:
    """Say what to install when a package of the extra is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"numpy", "scipy", "sklearn", "threadpoolctl", "PIL"}:
            raise
        raise frame.Misused(f"{error.name} is not installed; install it with: pip install 'triage[learned]'") from None


def ticking(total: int, what: str, *, as_json: bool) -> "_Ticking":
    """A bar that is moved by calling what the context gives."""
    return _Ticking(total, what, as_json)


class _Ticking:
    def __init__(self, total: int, what: str, as_json: bool) -> None:  # noqa: FBT001 - as above
        self._bar = frame.progress(as_json=as_json)
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Callable[[], None]:
        self._bar.start()
        return lambda: self._bar.advance(self._task)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _rows(stream: BinaryIO, source: Source) -> Iterator[ClosedReport | BadRow]:
    if source.form is not FormChoice.AUTO:
        return read(stream, ingest.Form(source.form), source.columns)
    peek = getattr(stream, "peek", None)
    form = ingest.guess_form(source.path, bytes(peek(1)) if peek is not None else b"")
    return read(stream, form, source.columns)


def count(found: Found, row: ClosedReport | BadRow, source: Source) -> None:
    """Add a row to what was found, under the label that is left of its labels."""
    if isinstance(row, BadRow):
        found.bad += 1
        found.shown += [row] if found.bad <= SHOWN else []
        return
    told = {source.renamed.get(label, label) for label in row.labels}
    told = told & source.kept if source.kept else told
    if not told:
        found.unlabelled += 1
    elif told & source.dropped:
        found.dropped += 1
    elif len(told) > 1:
        found.ambiguous += 1
    else:
        found.reports.append(LabelledReport(min(told), row.title, row.body, row.created))
