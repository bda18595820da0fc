"""Rings the broker for due runs. It runs in every worker; a lease in Postgres says whose turn it is."""

import threading
import time

import psycopg
import structlog

from triage import config, errors, telemetry
from triage.store.relay import RelayStore
from workers.broker import Broker

log = structlog.get_logger()

TURN = 0.2
"""Seconds between two looks when nothing calls; a submission calls at once."""
HOUSEKEEPING = 0.5
"""Seconds between two looks after dead processes and the broker's token."""
CHANNEL = "triage_due"


class Relay(threading.Thread):
    """The backlog lives in Postgres; the broker holds a window between a low and a high mark.

    Nothing here is needed for correctness but that it goes on: every statement may be lost, repeated or done by two at
    once, at the price of a message too many.
    """

    def __init__(self, store: RelayStore, broker: Broker, settings: config.Settings, database_url: str) -> None:
        """`database_url` is for the connection that listens for submissions."""
        super().__init__(name="relay", daemon=True)
        self._store = store
        self._broker = broker
        self._low, self._high = settings.queue_low, settings.queue_high
        self._listener = Listener(database_url)
        self._stopping = threading.Event()
        self._kept_house = 0.0

    def run(self) -> None:
        """Take turns until stopped; what fails is tried again at the next turn."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except errors.TriageError as error:
                log.warning(telemetry.RELAY_FAILED, why=str(error))
                self._stopping.wait(HOUSEKEEPING)
            except Exception:
                log.exception(telemetry.RELAY_FAILED)  # a bug must not end the relay for as long as the worker lives
                self._stopping.wait(HOUSEKEEPING)

    def stop(self) -> None:
        """End after the present turn."""
        self._stopping.set()
        self._listener.close()
        self.join(timeout=10)
        self._broker.close()

    def _turn(self) -> None:
        if not self._keep_house():
            self._stopping.wait(HOUSEKEEPING)
            return
        if not self._ring():
            self._listener.wait(TURN)

    def _keep_house(self) -> bool:
        """Now and then: keep the lease, free the runs of dead processes, see whether the broker was lost."""
        now = time.monotonic()
        if now - self._kept_house < HOUSEKEEPING:
            return True
        if not self._store.lead():
            return False
        reaped = self._store.reap()
        if reaped:
            log.warning(telemetry.REAPED, processes=reaped)
        token = self._broker.token()
        if token is not None:
            self._store.broker_lost(str(token))
            self._broker.keep_token(token)
        self._kept_house = now
        return True

    def _ring(self) -> int:
        """Fill every queue that is below the low mark up to the high mark; how many runs were rung."""
        room = {stage: self._high - length for stage, length in self._broker.lengths().items() if length < self._low}
        rings = self._store.ring(room) if room else []
        self._broker.ring(rings)
        return len(rings)


class Listener:
    """Waits until something was submitted. Only a hint: the runs are found without it, one turn later."""

    def __init__(self, database_url: str) -> None:
        """Connects when it first waits."""
        self._url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._connection: psycopg.Connection | None = None

    def wait(self, seconds: float) -> None:
        """Return at a submission, or after `seconds`."""
        try:
            for _ in self._open().notifies(timeout=seconds, stop_after=1):
                return
        except psycopg.Error:
            self.close()
            time.sleep(seconds)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection:
        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
            self._connection.execute(f"listen {CHANNEL}")
        return self._connection
