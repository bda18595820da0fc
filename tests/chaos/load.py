"""Reports that keep coming, whatever happens to the database they are submitted to."""

import threading
import time
from uuid import UUID

from tests.support.site import report
from triage import errors
from triage.model import Report
from triage.store.database import Database
from triage.store.postgres import PostgresStore

SOURCES = ("mail", "forum", "ci")
BATCH_EVERY = 1.0
"""Seconds between two batches."""
BURST, BURST_EVERY = 10, 20
"""Every so many batches one is so many times as large: more than the broker's window holds."""
PATIENCE = 60.0
"""Seconds that one batch is tried again for; the database is never away so long."""


class Load(threading.Thread):
    """Submits `rate` reports a second for `seconds`, and bursts.

    A batch whose outcome is unknown is submitted again as it is.
    """

    def __init__(self, database: Database, rate: float, seconds: float) -> None:
        """Starts with `start`."""
        super().__init__(name="load", daemon=True)
        self._store = PostgresStore(database)
        self._size, self._seconds = max(1, round(rate * BATCH_EVERY)), seconds
        self._stopping = threading.Event()
        self.accepted: list[UUID] = []
        self.repeated = 0
        self.problem = ""

    def run(self) -> None:
        """Submit until the time is over."""
        began, number = time.monotonic(), 0
        while not self._stopping.wait(max(0.0, began + number * BATCH_EVERY - time.monotonic())):
            if time.monotonic() - began >= self._seconds:
                return
            size = self._size * (BURST if number % BURST_EVERY == 0 else 1)
            self._submit([report(SOURCES[i % len(SOURCES)]) for i in range(size)])
            number += 1

    def stop(self) -> None:
        """End after the batch under way."""
        self._stopping.set()
        self.join(PATIENCE + 30)

    def _submit(self, batch: list[Report]) -> None:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                self.accepted += [one.run_id for one in self._store.submit_many(batch, None)]
            except errors.StoreUnavailable as error:
                self.repeated += 1
                if time.monotonic() > give_up:
                    self.problem = f"a batch was not accepted for {PATIENCE:g} s: {error}"
                    return
            else:
                return
