"""The relay as a part of every worker."""

from typing import Any

from celery import bootsteps

from triage.bootstrap import services
from triage.store.relay import RelayStore
from workers import run_through
from workers.broker import Broker
from workers.relay import Relay


class RelayStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts after the pool and stops before it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:  # noqa: ANN401 - Celery's signature
        """One for each worker."""
        super().__init__(parent, **options)
        self._relay: Relay | None = None

    def start(self, parent: Any) -> None:  # noqa: ANN401
        """Begin to take turns."""
        run_through.Worker.controller = parent
        mine = services()
        store = RelayStore(mine.database, mine.lease.process_id)
        self._relay = Relay(store, Broker(parent.app), mine.settings, mine.database_url)
        self._relay.start()

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002
        """Take no more turns."""
        if self._relay is not None:
            self._relay.stop()

    terminate = stop
