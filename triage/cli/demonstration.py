"""What `demo` does: start a worker, deliver the samples, wait, and count what really stands in the tables."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text
from sqlalchemy.dialects import postgresql

from triage import errors, samples
from triage.bootstrap import Services
from triage.cli import frame
from triage.cli.text import one_line
from triage.cli.worker import Worker
from triage.client import Client
from triage.local.errors import tail
from triage.model import Json, Report, Status, Submitted
from triage.store.runs import RunLine
from triage.story import words

DELIVERERS = 4
"""Clients that submit at the same time."""
LOOK = 0.1
"""Seconds between two looks at the runs."""

_COUNT = sqlalchemy.text("""
    select
        (select count(*) from local_ticket join effect using (key) where run_id = any(:runs)) as tickets,
        (select count(*) from local_notice join effect using (key) where run_id = any(:runs)) as notices,
        (select count(*) from local_ticket join effect using (key) where run_id = any(:runs) and created_at >= :began)
            as new_tickets,
        (select count(*) from local_notice join effect using (key) where run_id = any(:runs) and created_at >= :began)
            as new_notices
""").bindparams(sqlalchemy.bindparam("runs", type_=postgresql.ARRAY(postgresql.UUID)))


class DemoFailed(errors.TriageError):
    """The demonstration could not come to its end; the message says where to look."""


@dataclass(frozen=True)
class Objects:
    """What stands in the tables of the local tracker and inbox for these runs, and what was filed this time."""

    tickets: int
    notices: int
    new_tickets: int
    new_notices: int


@dataclass(frozen=True)
class Told:
    """What came of the demonstration."""

    reports: int
    repeats: int
    lines: Sequence[RunLine]
    objects: Objects

    @property
    def failures(self) -> int:
        """Runs that are not done."""
        return sum(line.status is not Status.DONE for line in self.lines)

    @property
    def well(self) -> bool:
        """Every run is done, with one ticket and one notice each."""
        expected = len(self.lines)
        return not self.failures and self.objects.tickets == self.objects.notices == expected

    def closing_line(self) -> str:
        """All of it in one line."""
        found = self.objects
        return (
            f"{self.reports} reports · {found.tickets} tickets · {found.notices} notices · "
            f"{self.repeats} repeats recognised · {self.failures} failures · "
            f"this time {found.new_tickets} new tickets, {found.new_notices} new notices"
        )

    def document(self) -> Json:
        """All of it for machines."""
        counted = {"reports": self.reports, "repeats": self.repeats, "failures": self.failures, **vars(self.objects)}
        return counted | {"runs": [line.model_dump(mode="json") for line in self.lines]}

    def table(self) -> Table:
        """One row for each run."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")  # fits into 80 columns
        for name in ("run", "source", "kind", "severity", "decided by", "ticket", "notice", "time"):
            table.add_column(name, no_wrap=True)
        for line in self.lines:
            table.add_row(*(Text(one_line(cell, 40)) for cell in _cells(line)))
        return table


def run(services: Services, limit: timedelta, *, as_json: bool) -> Told:
    """Deliver the samples and wait for their runs.

    Raises:
        DemoFailed: the settings name real tools, or the worker ended.
        LocalError: the embedded servers cannot be started.
    """
    _only_local_tools(services)
    reports = sorted(samples.load(), key=lambda report: report.key)  # repeats side by side, so that they meet
    with Worker(Path(services.settings.home)) as worker, frame.progress(as_json=as_json) as bar:
        starting = bar.add_task("starting the servers", total=None)
        began = _now(services)
        bar.update(starting, visible=False)
        answers = _deliver(services, reports, bar)
        ids = list(dict.fromkeys(answer.run_id for answer in answers))
        _wait(services, ids, worker, limit, bar)
    lines = sorted(services.runs.lines(ids=ids, limit=len(ids)), key=lambda line: (line.source, line.source_id))
    repeats = sum(not answer.created for answer in answers)
    return Told(len(reports), repeats, lines, _count(services, ids, began))


def _only_local_tools(services: Services) -> None:
    for name in ("tracker", "notifier"):
        if getattr(services.settings, name).kind != "local":
            raise DemoFailed(
                f"the samples are invented, and the setting {name} names a real system; unset it for the demo"
            )


def _now(services: Services) -> datetime:
    """Postgres' clock, since it is the one that dates the objects; also starts the servers."""
    found: datetime = services.database.read(sqlalchemy.text("select clock_timestamp()"))[0][0]
    return found


def _deliver(services: Services, reports: Sequence[Report], bar: Progress) -> list[Submitted]:
    task = bar.add_task("reports delivered", total=len(reports))
    with Client(services=services) as client, ThreadPoolExecutor(DELIVERERS) as pool:
        answers = []
        for answer in pool.map(client.submit, reports):
            answers.append(answer)
            bar.advance(task)
    return answers


def _wait(services: Services, ids: Sequence[UUID], worker: Worker, limit: timedelta, bar: Progress) -> None:
    """Until all are finished or the time is over; what is not finished then counts as a failure."""
    task: TaskID = bar.add_task("runs finished", total=len(ids))
    give_up = time.monotonic() + limit.total_seconds()
    while (left := services.runs.unfinished(ids)) and time.monotonic() < give_up:
        if worker.ended:
            raise DemoFailed(f"the worker has ended. The last lines of {worker.log}:\n{tail(worker.log)}")
        bar.update(task, completed=len(ids) - left)
        time.sleep(LOOK)
    bar.update(task, completed=len(ids) - left)


def _count(services: Services, ids: Sequence[UUID], began: datetime) -> Objects:
    row = services.database.read(_COUNT.bindparams(runs=list(ids), began=began))[0]
    return Objects(**row._mapping)  # noqa: SLF001 - public, in spite of its name


def _cells(line: RunLine) -> tuple[str, ...]:
    took = words.took(line.finished_at - line.created_at) if line.finished_at else f"{line.status}"
    what = (line.kind, line.severity, line.decided_by, line.ticket, line.notice)
    return (str(line.id)[-8:], line.source, *(value or "–" for value in what), took)
