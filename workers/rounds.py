"""Now and then, in the one process whose relay leads: learn what the other systems know, sweep, forget old budgets."""

import threading

import structlog

from triage import clock, errors, rounds, telemetry
from triage.bootstrap import Services
from triage.store.relay import RelayStore

log = structlog.get_logger()

FIRST = 5.0
"""Seconds after the start; whoever leads by then asks for the values first."""
LEARN_EVERY = 600.0
SWEEP_EVERY = 3600.0
FEEDBACK_EVERY = 300.0
FORGET_EVERY = 3600.0
LOOK_EVERY = 5.0
"""And how often what happened is added to the tally."""


class Rounds(threading.Thread):
    """A thread of its own, because the other systems may be slow and the relay must not wait for them."""

    def __init__(self, services: Services) -> None:
        """Begins with `start`."""
        super().__init__(name="rounds", daemon=True)
        self._services = services
        self._relay = RelayStore(services.database, services.lease.process_id)
        self._stopping = threading.Event()
        self._learned = self._swept = self._looked = self._forgot = float("-inf")

    def run(self) -> None:
        """Look every few seconds whether something is due, until stopped."""
        wait = FIRST
        while not self._stopping.wait(wait):
            wait = LOOK_EVERY
            try:
                if self._relay.leads():
                    self._round()
            except errors.TriageError as error:
                log.warning(telemetry.ROUNDS_FAILED, why=str(error))
            except Exception:
                log.exception(telemetry.ROUNDS_FAILED)  # a bug must not end the rounds for as long as the worker lives

    def stop(self) -> None:
        """Begin nothing more; a look-up under way ends with the process."""
        self._stopping.set()

    def _round(self) -> None:
        tools, shared, now = self._services.toolset.bare, self._services.shared, clock.now()
        self._services.tally.roll()
        self._services.webhooks.round()
        if now - self._forgot >= FORGET_EVERY:
            self._forgot = now
            self._services.tally.forget()
            self._services.webhooks.forget()
        if now - self._learned >= LEARN_EVERY:
            self._learned = now
            rounds.learn(tools, shared)
        if now - self._looked >= FEEDBACK_EVERY:
            self._looked = now
            self._services.feedback.look()
        if now - self._swept >= SWEEP_EVERY:
            self._swept = now
            rounds.sweep(tools, shared)
            self._services.money.prune()
