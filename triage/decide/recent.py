"""An index of the recent tickets, kept by a thread of each process. Needs numpy; without it nothing is similar.

It is read from the store, the newest first, so that it is of use long before it is whole. Whoever searches never waits
for that: until then there are fewer candidates. It is only memory: a process that dies loses it and reads it anew.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from triage import clock, errors, telemetry
from triage.decide.repeats import is_telling
from triage.model import Report
from triage.model.earlier import Filed

if TYPE_CHECKING:
    from triage.decide.similar import Index

MOST_TICKETS = 100_000
"""About 60 MB; a search among so many takes some ten milliseconds."""
BATCH = 200
REFRESH = 1.0
"""Seconds between two looks for new tickets."""
IDLE = 10.0
"""Seconds without a search after which it is not looked any more."""
STALE = 5.0
"""Whoever searches after a pause waits (for `WAIT` at most) for a look if the last one was so many seconds ago."""
AWAY = 2.0
"""Seconds until the next try after Postgres did not answer."""
FORGET_EVERY = 3_600.0
SLACK = 0.02
"""So far above the most tickets the oldest are forgotten, many at a time."""
LAST_MOMENT = 253_402_300_799_000
"""Milliseconds: the end of the year 9999, which an id that is none of ours may be beyond."""
WAIT = 0.2
"""Seconds that a search waits for others; then there is none. Of 32 at once among very many tickets some go without."""

log = structlog.get_logger()


class Source(Protocol):
    """Where filed tickets are read; see `store.tickets`."""

    def filed(self, after: Filed | None, before: Filed | None, limit: int) -> list[Filed]:
        """A page of them, the newest first; raises `StoreUnavailable`."""
        ...


@dataclass(frozen=True)
class Gap:
    """A stretch that is not read yet; None: from as long ago as counts, until now."""

    after: Filed | None
    before: Filed | None


class Recent:
    """For all threads of a process. Its own thread begins with the first search, so after any fork."""

    def __init__(self, source: Source, recent: timedelta, most: int = MOST_TICKETS) -> None:
        """Reads nothing yet. What is older than `recent` is forgotten, and of more than `most` tickets the oldest."""
        self._source = source
        self._recent = recent
        self._most = most
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._begun = False
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._index: Index | None = None
        self._ids: set[str] = set()
        self._gaps: list[Gap] = []
        self._newest: Filed | None = None
        self._fresh = threading.Condition()
        self._looked = self._forgot = self._wanted_at = self._fresh_at = float("-inf")

    def __len__(self) -> int:
        return len(self._ids)

    def search(self, report: Report, run_id: UUID, k: int) -> dict[UUID, float]:
        """The `k` runs before this one whose reports are likest, with their likeness; none while others search."""
        self._wake()
        if clock.now() - self._fresh_at > STALE:
            with self._fresh:
                self._fresh.wait_for(lambda: clock.now() - self._fresh_at <= STALE, WAIT)
        if self._index is None:
            return {}
        from triage.decide.similar import counted  # noqa: PLC0415 - numpy, which is there by now

        words = counted(report.title, report.body)
        if not self._lock.acquire(timeout=WAIT):
            return {}
        try:
            found = self._index.search_words(words, before=made_at(run_id), k=k)
        finally:
            self._lock.release()
        return {UUID(name): likeness for name, likeness in found}

    def close(self) -> None:
        """Begin nothing more; a page that is being read ends with the process."""
        self._closed.set()
        self._wanted.set()

    def _wake(self) -> None:
        """Only whoever decides needs new tickets: an idle process asks for none."""
        self._wanted_at = clock.now()
        self._wanted.set()
        if not self._begun:
            with self._starting:
                if not self._begun:
                    self._begun = True
                    threading.Thread(target=self._keep, name="recent-tickets", daemon=True).start()

    def _keep(self) -> None:
        try:
            from triage.decide.similar import Index  # noqa: PLC0415 - numpy, for those who have it
        except ModuleNotFoundError:
            self._fresh_at = float("inf")  # nobody is to wait for it
            return
        self._index = Index()
        while not self._closed.is_set():
            if not self._gaps:
                self._pause()
            self._closed.wait(self._step())

    def _pause(self) -> None:
        self._closed.wait(self._looked + REFRESH - clock.now())
        self._wanted.clear()
        if clock.now() - self._wanted_at > IDLE:
            self._wanted.wait()

    def _step(self) -> float:
        """Read a page; how many seconds to leave to those who decide."""
        began = clock.now()
        try:
            self._read_page(began)
        except errors.TriageError as error:
            log.warning(telemetry.SIMILAR_FAILED, why=str(error))
            return self._away()
        except Exception:
            log.exception(telemetry.SIMILAR_FAILED)  # without the thread nothing would ever be similar again
            return self._away()
        return clock.now() - began if self._gaps else 0.0

    def _away(self) -> float:
        """Nobody waits for a look meanwhile."""
        self._fresh_at = clock.now() + AWAY
        return AWAY

    def _read_page(self, now: float) -> None:
        """New tickets go first, every second; a stretch stays to be read until it was."""
        if not self._gaps or (now - self._looked >= REFRESH and self._gaps[-1].before is not None):
            self._gaps.append(Gap(self._newest, None))
            self._looked = now
        gap = self._gaps[-1]
        page = self._source.filed(gap.after, gap.before, BATCH)
        self._gaps.pop()
        if gap.before is None and page:
            self._newest = page[0]
        if len(page) == BATCH and (gap.after is not None or len(self._ids) < self._most):
            self._gaps.append(Gap(gap.after, page[-1]))
        self._add(page)
        if gap.before is None:
            with self._fresh:
                self._fresh_at = clock.now()
                self._fresh.notify_all()
        self._forget(now)

    def _add(self, page: list[Filed]) -> None:
        from triage.decide.similar import New, counted  # noqa: PLC0415 - numpy, for those who have it

        telling = [one for one in page if is_telling(one.title, one.body)]
        found = [New(str(one.run_id), counted(one.title, one.body), made_at(one.run_id)) for one in telling]
        if self._index is not None:
            with self._lock:
                self._index.add_all(found)
        self._ids.update(new.ticket for new in found)

    def _forget(self, now: float) -> None:
        """Ids are in order of time, so the first of them are the oldest."""
        many = max(len(self._ids) - self._most, 0)
        if self._newest is None or (many <= self._most * SLACK and now - self._forgot < FORGET_EVERY):
            return
        self._forgot, first = now, made_at(self._newest.run_id) - self._recent
        names = sorted(self._ids)
        for name in [*names[:many], *(one for one in names[many:] if made_at(UUID(one)) < first)]:
            self._remove(name)

    def _remove(self, name: str) -> None:
        if self._index is not None:
            with self._lock:
                self._index.remove(name)
        self._ids.discard(name)


def made_at(run_id: UUID) -> datetime:
    """When a run came in, to the millisecond: its id begins with it (RFC 9562, version 7)."""
    return datetime.fromtimestamp(min(run_id.int >> 80, LAST_MOMENT) / 1_000, UTC)
