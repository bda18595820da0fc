"""A look at everything once a second while it goes on, and the progress on standard error."""

import contextlib
import sys
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID

import redis
import sqlalchemy

from tests.chaos.faults import Injector
from tests.chaos.load import Load
from tests.chaos.world import World
from triage import errors
from triage.model import Stage

EVERY = 1.0
TELL_EVERY = 5
"""Looks from one line of progress to the next."""

# Due to be rung and not rung; and due and not claimed, whether rung or not. A claim is over with its process.
WAITS = sqlalchemy.text("""
    select
        coalesce(max(extract(epoch from now() - ring_at)) filter (where ring_at <= now()), 0) as unrung,
        coalesce(max(extract(epoch from now() - due)) filter (where claim_id is null), 0) as unclaimed
    from run
    where status = 'active' and due <= now()
        and (claim_id is null or not exists (select from process where process.id = run.claimed_by))
""")
PROCESSES = sqlalchemy.text("select id, pid from process")
COUNTS = sqlalchemy.text("select count(*) filter (where status = 'done') as done, count(*) as all from run")


@dataclass
class Seen:
    """The worst that was seen, and which worker each process's row belonged to."""

    longest_due_wait: float = 0.0
    longest_unclaimed: float = 0.0
    queue_max: int = 0
    looks: int = 0
    pids: dict[UUID, int] = field(default_factory=dict)


class Watch(threading.Thread):
    """Looks until stopped; while a server is away it sees nothing of it."""

    def __init__(self, world: World, load: Load, injector: Injector) -> None:
        """Starts with `start`."""
        super().__init__(name="watch", daemon=True)
        self._world, self._load, self._injector = world, load, injector
        self._stopping = threading.Event()
        self._began = time.monotonic()
        self.seen = Seen()

    def run(self) -> None:
        """Look, and now and then tell."""
        number = 0
        while not self._stopping.wait(EVERY):
            with contextlib.suppress(errors.StoreUnavailable):
                self._look_at_state()
            with contextlib.suppress(redis.RedisError, OSError):
                self._look_at_queues()
            number += 1
            if number % TELL_EVERY == 0:
                self._tell()

    def stop(self) -> None:
        """End after the present look."""
        self._stopping.set()
        self.join(30)

    def _look_at_state(self) -> None:
        database = self._world.site.database
        (waits,) = database.read(WAITS)
        self.seen.longest_due_wait = max(self.seen.longest_due_wait, float(waits.unrung))
        self.seen.longest_unclaimed = max(self.seen.longest_unclaimed, float(waits.unclaimed))
        self.seen.pids |= {row.id: row.pid for row in database.read(PROCESSES)}
        self.seen.looks += 1

    def _look_at_queues(self) -> None:
        longest = max(self._world.site.broker.length(stage) for stage in Stage)
        self.seen.queue_max = max(self.seen.queue_max, longest)

    def _tell(self) -> None:
        say(f"{time.monotonic() - self._began:5.0f} s  {self._progress()}")

    def _progress(self) -> str:
        faults, accepted = self._injector.applied.total(), len(self._load.accepted)
        try:
            (counts,) = self._world.site.database.read(COUNTS)
        except errors.StoreUnavailable:
            return f"{accepted} runs submitted, Postgres is away, {faults} faults"
        return f"{accepted} runs submitted, {counts.done} done, {faults} faults"


def say(text: str) -> None:
    """To standard error, at once."""
    print(text, file=sys.stderr, flush=True)
