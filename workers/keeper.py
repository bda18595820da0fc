"""Keeps this process's row alive."""

import threading

import structlog

from triage import errors, telemetry
from triage.store.lease import RENEWAL, ProcessLease

log = structlog.get_logger()


class Keeper(threading.Thread):
    """Renews the lease every second. While Postgres is away it goes on trying; the lease knows when it is over."""

    def __init__(self, lease: ProcessLease) -> None:
        """Starts with `start`, which also renews for the first time."""
        super().__init__(name="keeper", daemon=True)
        self._lease = lease
        self._stopping = threading.Event()

    def run(self) -> None:
        """Renew until stopped."""
        while True:
            self._renew()
            if self._stopping.wait(RENEWAL.total_seconds()):
                return

    def _renew(self) -> None:
        try:
            self._lease.renew()
        except errors.StoreUnavailable as error:
            log.warning(telemetry.LEASE_LATE, why=str(error))

    def stop(self) -> None:
        """End in good order, so that nobody waits for the row to grow old."""
        self._stopping.set()
        self.join(timeout=10)
        try:
            self._lease.give_up()
        except errors.StoreUnavailable as error:
            log.warning(telemetry.LEASE_LATE, why=str(error))
