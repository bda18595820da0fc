"""What is done now and then, in the one process whose relay leads."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from triage import clock, errors, rounds, telemetry
from triage.bootstrap import Services
from triage.store.relay import RelayStore

log = structlog.get_logger()

FIRST = 5.0
"""Seconds after the start; whoever leads by then does everything first."""
LOOK_EVERY = 5.0


@dataclass
class Duty:
    """Some work, and how many seconds lie between two times that it is begun."""

    every: float
    work: Callable[[], object]
    begun: float = float("-inf")


class Rounds(threading.Thread):
    """A thread for duties that may wait for one another; what must not be late has a thread of its own."""

    def __init__(self, name: str, relay: RelayStore, duties: Sequence[Duty]) -> None:
        """Begins with `start`."""
        super().__init__(name=name, daemon=True)
        self._relay = relay
        self._duties = duties
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look every few seconds whether something is due, until stopped."""
        wait = FIRST
        while not self._stopping.wait(wait):
            wait = LOOK_EVERY
            self._safely(self._round)

    def stop(self) -> None:
        """Begin nothing more; a look-up under way ends with the process."""
        self._stopping.set()

    def _round(self) -> None:
        if not self._relay.leads():
            return
        for duty in self._duties:
            now = clock.now()
            if now - duty.begun >= duty.every and not self._stopping.is_set():
                duty.begun = now
                self._safely(duty.work)

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except errors.TriageError as error:
            log.warning(telemetry.ROUNDS_FAILED, round=self.name, why=str(error))
        except Exception:
            # A bug must not end the rounds for as long as the worker lives.
            log.exception(telemetry.ROUNDS_FAILED, round=self.name)


def all_rounds(services: Services) -> list[Rounds]:
    """Those of a worker, not begun: books that are never late, letters to others, and looks at the other systems."""
    relay = RelayStore(services.database, services.lease.process_id)
    tools, shared, hour = services.toolset.bare, services.shared, 3600.0
    return [
        Rounds("books", relay, [Duty(0, services.tally.roll), Duty(hour, services.tally.forget)]),
        Rounds("letters", relay, [Duty(0, services.webhooks.round), Duty(hour, services.webhooks.forget)]),
        Rounds(
            "looks",
            relay,
            [
                Duty(600, lambda: rounds.learn(tools, shared)),
                Duty(300, services.feedback.look),
                Duty(hour, lambda: rounds.sweep(tools, shared)),
                Duty(hour, services.money.prune),
            ],
        ),
    ]
