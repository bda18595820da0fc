"""The relay as a part of every worker."""

from typing import Any

from celery import bootsteps

from triage.bootstrap import services
from triage.store.relay import RelayStore
from workers import run_through
from workers.broker import Broker
from workers.relay import Relay
from workers.rounds import Rounds, all_rounds

EVENTS_INTERVAL = 0.25
"""Seconds."""
EVENTS_BUNDLED = 200


class EventsStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Sends what Flower reads in bundles, four times a second.

    Celery sends its buffer at almost every turn of its loop: a fifth of the main thread's work under load.
    """

    requires = ("celery.worker.consumer.events:Events",)

    def __init__(self, parent: Any, **options: Any) -> None:  # noqa: ANN401 - Celery's signature
        """One for each connection of the consumer."""
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401
        """Take over the sending of this connection's events."""
        dispatcher = parent.event_dispatcher
        dispatcher.on_send_buffered = None
        dispatcher.buffer_limit = EVENTS_BUNDLED
        self._timer = parent.timer.call_repeatedly(EVENTS_INTERVAL, dispatcher.flush)

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002
        """Leave the rest to Celery, which sends it when it closes."""
        if self._timer is not None:
            self._timer.cancel()


class RelayStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Starts after the pool and stops before it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:  # noqa: ANN401 - Celery's signature
        """One for each worker."""
        super().__init__(parent, **options)
        self._relay: Relay | None = None
        self._rounds: list[Rounds] = []

    def start(self, parent: Any) -> None:  # noqa: ANN401
        """Begin to take turns."""
        run_through.Worker.controller = parent
        mine = services()
        store = RelayStore(mine.database, mine.lease.process_id)
        self._relay = Relay(store, Broker(parent.app), mine.settings, mine.database_url)
        self._relay.start()
        self._rounds = all_rounds(mine)
        for one in self._rounds:
            one.start()

    def stop(self, parent: Any) -> None:  # noqa: ANN401, ARG002
        """Take no more turns."""
        for one in self._rounds:
            one.stop()
        if self._relay is not None:
            self._relay.stop()

    terminate = stop
