"""Where `learn` gets closed reports from: a file, or the tracker itself."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from triage import errors
from triage.cli import frame, labels
from triage.cli.submit import FormChoice
from triage.cli.text import one_line
from triage.ingest.labelled import ClosedReport
from triage.ingest.rows import BadRow
from triage.model import Json

if TYPE_CHECKING:
    from triage.ingest.trackers import Given

FETCHING = "Reading from a tracker"


class Origin(StrEnum):
    """A file's form (`auto` looks at its name and its beginning), or a tracker."""

    AUTO = FormChoice.AUTO
    CSV = FormChoice.CSV
    JSONL = FormChoice.JSONL
    GITHUB = "github"
    GITLAB = "gitlab"
    JIRA = "jira"
    REDMINE = "redmine"


FILES = {Origin.AUTO, Origin.CSV, Origin.JSONL}

From: TypeAlias = Annotated[
    Origin, typer.Option("--from", help="A file's form, or a tracker.", rich_help_panel=labels.READING)
]
Project: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="Such as OWNER/NAME; none: the set one.", rich_help_panel=FETCHING)
]
Url: TypeAlias = Annotated[
    str, typer.Option("--url", metavar="URL", help="Of an installation of one's own.", rich_help_panel=FETCHING)
]
User: TypeAlias = Annotated[
    str, typer.Option(metavar="EMAIL", help="Whose token it is; Jira Cloud only.", rich_help_panel=FETCHING)
]
TokenEnv: TypeAlias = Annotated[
    str,
    typer.Option(metavar="VARIABLE", help="The environment variable with the token.", rich_help_panel=FETCHING),
]
Most: TypeAlias = Annotated[
    int, typer.Option(min=1, max=50_000, metavar="N", help="Read at most so many.", rich_help_panel=FETCHING)
]
Saved: TypeAlias = Annotated[
    Path | None,
    typer.Option("--out-reports", metavar="FILE", help="Write what was read there.", rich_help_panel=FETCHING),
]


@dataclass(frozen=True)
class Reading:
    """What was asked for; raises `Misused` for a file and a tracker at once."""

    origin: Origin
    file: str | None
    project: str = ""
    url: str = ""
    user: str = ""
    token_env: str = ""
    most: int = 5_000
    saved: Path | None = None

    def __post_init__(self) -> None:
        only = self.project or self.url or self.user or self.token_env or self.saved
        if self.origin in FILES and only:
            raise frame.Misused("the options for reading from a tracker need --from and the name of one")
        if self.origin not in FILES and self.file:
            raise frame.Misused(f"give either a FILE or --from {self.origin}")

    @property
    def path(self) -> str:
        """The file, or the tracker's name; empty for neither."""
        return self.file or ("" if self.origin in FILES else self.origin.value)

    @property
    def form(self) -> FormChoice:
        """Of the file."""
        return FormChoice(self.origin.value) if self.origin in FILES else FormChoice.AUTO

    def load(self, source: labels.Source, *, as_json: bool) -> labels.Found:
        """All reports, with a bar; raises `UnreadableFile`, `InvalidSetting` or `ToolError`."""
        if self.origin in FILES:
            return labels.load(source, as_json=as_json) if self.file else labels.Found()
        return self._fetched(source, as_json=as_json)

    def _fetched(self, source: labels.Source, *, as_json: bool) -> labels.Found:
        from triage import config  # noqa: PLC0415 - start-up speed
        from triage.ingest import trackers  # noqa: PLC0415 - start-up speed

        found, read = labels.Found(), []
        opened = trackers.opened(self.origin.value, config.load(), self._given())
        with opened as (tool, target), frame.progress(as_json=as_json) as bar:
            closed = trackers.Closed(tool, target, self.most, waits=frame.note)
            task = bar.add_task(f"reading {one_line(target, 40)}", total=self.most)
            for row in closed.read():
                labels.count(found, row, source)
                read.append(row)
                bar.advance(task)
            found.ours = closed.ours
        if self.saved:
            save(self.saved, (row for row in read if not isinstance(row, BadRow)))
        return found

    def _given(self) -> "Given":
        from triage.ingest.trackers import Given  # noqa: PLC0415 - start-up speed

        return Given(self.project, self.url, self.user, self.token_env)


def save(path: Path, reports: Iterator[ClosedReport]) -> None:
    """Write reports as JSONL that `learn` reads again: the whole file or nothing; raises `InvalidSetting`."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(_line(report)) + "\n" for report in reports)
        new.replace(path)
    except OSError as error:
        raise errors.InvalidSetting(f"--out-reports {path}: {error.strerror or error}") from None


def _line(report: ClosedReport) -> Json:
    created = report.created.isoformat() if report.created else None
    return {"label": list(report.labels), "title": report.title, "body": report.body, "created": created}
