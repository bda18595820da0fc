"""What the engine needs from the world, as protocols; `bootstrap` chooses who provides them."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from triage.model import (
    Claim,
    Completed,
    Decision,
    Finished,
    NoClaim,
    Report,
    Request,
    Sent,
    Settlement,
    Stage,
    Submitted,
    ToolSpec,
)


class Tool(Protocol):
    """A named outbound callable: a tracker or a notifier."""

    @property
    def spec(self) -> ToolSpec:
        """Its name, class and times."""
        ...

    def send(self, request: Request) -> Sent:
        """Make one call, ending before `request.deadline`; never retries by itself.

        Raises:
            NotSent: the other system surely did nothing.
            OutcomeUnknown: it may or may not have committed the call.
            Refused: it said a definite no.
        """
        ...

    def find(self, request: Request) -> Sent | None:
        """Look for the object that carries `request.key` as its marker; None if it is absent now.

        Only asked of `findable` tools. Raises `NotSent` when the look-up itself failed: nothing was learned.
        """
        ...


class Decider(Protocol):
    """Concludes what a report is."""

    def decide(self, report: Report) -> Decision:
        """A decision for every report, with who decided and why."""
        ...


class Lease(Protocol):
    """This process's right to count as alive in the eyes of the others."""

    @property
    def process_id(self) -> UUID:
        """The id of its row."""
        ...

    def check(self) -> None:
        """Called right before anything leaves the house.

        Raises:
            ProcessExpired: the row was not renewed in time, by this process's own monotonic clock.
        """
        ...


class Store(Protocol):
    """The state. Every method is one statement that can be repeated and recognises its own earlier success.

    All of them raise `StoreUnavailable` when Postgres does not answer for some seconds.
    """

    def submit_many(self, reports: Sequence[Report], trace: str | None) -> list[Submitted]:
        """Insert each report's run, or return the one that is there, in one commit; answers in the order of `reports`.

        `trace` is the W3C traceparent of the caller, or None.
        """
        ...

    def claim(self, run_id: UUID, stage: Stage, lease: Lease) -> Claim | NoClaim:
        """Take the right to work on a stage; for a stage with an effect this commits "about to send"."""
        ...

    def complete(self, claim: Claim, finished: Finished, lease: Lease, *, carry_on: bool) -> Completed:
        """Save a finished stage, and with `carry_on` claim the next one in the same commit.

        Not kept if the claim was lost to another one: nothing was changed then.
        """
        ...

    def settle(self, claim: Claim, settlement: Settlement, lease: Lease) -> bool:
        """Save an attempt that did not finish its stage; False if the claim was lost, and nothing was changed."""
        ...
