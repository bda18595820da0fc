"""For other services: submit reports and ask what became of them.

    from triage.client import Client

    with Client() as client:
        run = client.submit(source="crm", source_id="4711", title="Saving an order fails")
        print(client.wait([run.run_id], timedelta(minutes=1)))

Only Postgres is needed: workers look there for new runs themselves, so submitting works while the broker is away. The
same report submitted again, by whomever, is the same run.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, Self, TypeVar
from uuid import UUID

from triage import bootstrap, config, errors, tracing
from triage.model import Report, Status, Submitted
from triage.store.corrections import Change, Corrections, checked
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.store.runs import RunLine, Runs

BATCH = 500
"""Reports in one transaction."""
ASKED_AT_ONCE = 1_000
"""Runs in one question to Postgres."""
FIRST_PAUSE = timedelta(milliseconds=20)
LONGEST_PAUSE = timedelta(seconds=1)
NAMED = 5

T = TypeVar("T")


class NotFinished(errors.TriageError, TimeoutError):
    """Some runs were not finished in time; `unfinished` has their ids. They go on by themselves."""

    retryable = True

    def __init__(self, unfinished: Sequence[UUID], limit: timedelta) -> None:
        """`limit` is how long was waited."""
        super().__init__(unfinished, limit)
        self.unfinished = tuple(unfinished)
        self.limit = limit

    def __str__(self) -> str:
        named = ", ".join(str(run_id) for run_id in self.unfinished[:NAMED])
        count, more = len(self.unfinished), ", …" if len(self.unfinished) > NAMED else ""
        return f"after {self.limit.total_seconds():g} s {count} run(s) still go on: {named}{more}"


class Client:
    """Connections to the state, safe for use by several threads. Build it after any fork."""

    def __init__(self, database_url: str | None = None, *, services: bootstrap.Services | None = None) -> None:
        """Where the settings say, or at `database_url` (`postgresql://…`), which then needs no settings at all.

        `services` shares the connections of a process that has some; they stay open when the client closes.

        Raises:
            InvalidSetting: a setting is wrong; the message names it.
            StoreUnavailable: Postgres did not answer.
        """
        self._own = bootstrap.Services(config.load()) if database_url is None and services is None else None
        shared = services or self._own
        self._database = shared.database if shared else Database(_with_driver(database_url or ""))
        self._closes_database = shared is None
        self._store = PostgresStore(self._database)
        self._runs = Runs(self._database)
        self._corrections = Corrections(self._database)

    def submit(self, report: Report | None = None, **fields: Any) -> Submitted:  # noqa: ANN401 - validated by Report
        """Hand in one report, as a `Report` or as its fields; accepted means that it will not be lost.

        Raises:
            InvalidReport: a field breaks a bound; the error names it.
            StoreUnavailable: Postgres did not answer in time. Submitting again is safe.
        """
        return self._store.submit_many([report or Report.parse(fields)], tracing.traceparent())[0]

    def submit_many(self, reports: Iterable[Report | Mapping[str, Any]], batch: int = BATCH) -> list[Submitted]:
        """Hand in many, `batch` to a transaction; the answers are in the order of `reports`.

        When it raises, the batches before are accepted; submitting all of them again is safe.

        Raises:
            InvalidReport: names the position in `reports` and the field.
            StoreUnavailable: Postgres did not answer in time.
        """
        trace = tracing.traceparent()
        parsed = (_parsed(position, one) for position, one in enumerate(reports))
        return [done for some in batches(parsed, batch) for done in self._store.submit_many(some, trace)]

    def get(self, run_id: UUID | str) -> RunLine:
        """How a run stands.

        Raises:
            RunNotFound: no run has this id.
            StoreUnavailable: Postgres did not answer.
        """
        return self._runs.get(as_id(run_id))

    def wait(
        self,
        run_ids: Iterable[UUID | str],
        timeout: timedelta,
        on_progress: Callable[[int], object] = lambda _: None,
    ) -> list[RunLine]:
        """Wait until these runs no longer go on by themselves: done, dead, cancelled, or held for a person.

        Answers once for every id, in their order. `on_progress` gets the number of those that have come so far.

        Raises:
            NotFinished: (also a `TimeoutError`) names those that still go on.
            RunNotFound: no run has one of these ids.
            StoreUnavailable: Postgres did not answer.
        """
        ids = list(dict.fromkeys(as_id(run_id) for run_id in run_ids))
        give_up = time.monotonic() + timeout.total_seconds()
        lines: list[RunLine] = []
        for some in batches(ids, ASKED_AT_ONCE):
            if not self._come(some, give_up, partial(_add, on_progress, len(lines))):
                raise NotFinished(self._active(ids[len(lines) :]), timeout)
            lines += self._lines(some)
        return lines

    def correct(self, run_id: UUID | str, by: str, **values: str) -> list[Change]:
        """Say what a decision should have been: its `kind`, `severity`, `component` or `route`; `by` is who says so.

        It is kept as a label to learn from, told with the run, and changes nothing that was done. Saying it again is
        safe. Answers for each field what stood before.

        Raises:
            InvalidCorrection: names a field that does not exist or cannot have this value; nothing was kept.
            NotAllowed: the run is not decided yet.
            RunNotFound: no run has this id.
            StoreUnavailable: Postgres did not answer in time.
        """
        for field, value in values.items():
            checked(field, value)
        changes = values.items()
        return [self._corrections.change(as_id(run_id), *change, by=by, origin="person") for change in changes]

    def close(self) -> None:
        """Give the connections back."""
        if self._closes_database:
            self._database.close()
        if self._own:
            self._own.close()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _come(self, ids: Sequence[UUID], give_up: float, on_progress: Callable[[int], object]) -> bool:
        """Whether all of these few have come to an end in time."""
        pause = FIRST_PAUSE
        while True:
            unfinished = self._runs.unfinished(ids)
            on_progress(len(ids) - unfinished)
            left = give_up - time.monotonic()
            if not unfinished or left <= 0:
                return not unfinished
            time.sleep(min(pause.total_seconds(), left))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _lines(self, ids: Sequence[UUID]) -> list[RunLine]:
        found = {line.id: line for line in self._runs.lines(ids=ids, limit=len(ids))}
        unknown = next((run_id for run_id in ids if run_id not in found), None)
        if unknown is not None:
            raise errors.RunNotFound(f"there is no run {unknown}")
        return [found[run_id] for run_id in ids]

    def _active(self, ids: Sequence[UUID]) -> list[UUID]:
        lines = (
            self._runs.lines(ids=some, statuses=[Status.ACTIVE], limit=len(some))
            for some in batches(ids, ASKED_AT_ONCE)
        )
        return [line.id for some in lines for line in reversed(some)]


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter; reads no further than it must."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def as_id(text: UUID | str) -> UUID:
    """A run's id.

    Raises:
        RunNotFound: it is none, so no run can have it.
    """
    try:
        return text if isinstance(text, UUID) else UUID(text)
    except ValueError:
        raise errors.RunNotFound(f"{text!r} is no run id; `triage list` shows them") from None


def _add(on_progress: Callable[[int], object], before: int, count: int) -> None:
    on_progress(before + count)


def _parsed(position: int, report: Report | Mapping[str, Any]) -> Report:
    try:
        return report if isinstance(report, Report) else Report.parse(report)
    except errors.InvalidReport as error:
        raise errors.InvalidReport(f"reports[{position}].{error.field}", error.problem) from None


def _with_driver(database_url: str) -> str:
    """Most services write the address without naming the driver."""
    scheme, mark, rest = database_url.partition("://")
    return f"postgresql+psycopg{mark}{rest}" if scheme in {"postgresql", "postgres"} else database_url
