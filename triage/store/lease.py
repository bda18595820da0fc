"""This process's row, and its own view of whether the others still hold it for alive."""

import os
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from triage import clock, errors
from triage.model import Stage
from triage.store.database import Database

RENEWAL = timedelta(seconds=1)
"""How often the row is renewed."""
OWN_LIMIT = timedelta(seconds=3)
"""After so long without a renewal the process holds itself for dead: sooner than the others do (`PROCESS_TTL`), by more
than two clocks can drift apart in that time."""


class ProcessLease:
    """Implements `ports.Lease`; whoever owns it calls `renew` every `RENEWAL`."""

    def __init__(self, database: Database, name: str, stages: Sequence[Stage]) -> None:
        """The row is written by the first `renew`; until then the process counts as dead."""
        self.process_id: UUID = uuid4()
        self._database = database
        self._row = {"process_id": self.process_id, "name": name, "pid": os.getpid(), "stages": list(stages)}
        self._alive_until = 0.0

    def renew(self) -> None:
        """Renew the row.

        Raises:
            StoreUnavailable: it could not be renewed; soon this process holds itself for dead.
        """
        asked = clock.now()  # from before the statement: the others count from its commit, which is later
        self._database.all("keep_alive", self._row, patience=timedelta())
        self._alive_until = asked + OWN_LIMIT.total_seconds()

    def check(self) -> None:
        """Raise ProcessExpired unless the row was renewed in time."""
        if clock.now() >= self._alive_until:
            raise errors.ProcessExpired("this process could not renew its row in time and starts nothing outbound")

    def give_up(self) -> None:
        """End in good order: give back what is still claimed."""
        self._alive_until = 0.0
        self._database.all("sign_off", {"process_id": self.process_id})
