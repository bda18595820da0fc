"""What the engine needs from the world, as protocols; `bootstrap` chooses who provides them."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from triage.model import (
    Claim,
    Completed,
    Decision,
    Finding,
    Finished,
    LiveValues,
    Marked,
    NoClaim,
    Rate,
    Report,
    Request,
    Sent,
    Settlement,
    Stage,
    Submitted,
    ToolSpec,
    ToolState,
)
from triage.model.tickets import Page, Standing

ASK_PATIENCE = timedelta(seconds=60)
"""How long after its claim a decision may take at most: shorter than a claim lasts."""


class Tool(Protocol):
    """A named outbound callable: a tracker, a notifier or a calendar."""

    @property
    def spec(self) -> ToolSpec:
        """Its name, class, times and limits."""
        ...

    def render(self, request: Request) -> bytes:
        """The body that `send` sends: a pure function of the request, cut to the other system's sizes; never fails."""
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

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Read the made object back, and say in words what of the request the other system left out.

        Raises `NotSent` when it could not be read.
        """
        ...

    def values(self, deadline: float) -> LiveValues:
        """What the other system knows now; raises `NotSent` when it could not be asked."""
        ...

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """The objects made since then that carry a marker of ours, for the sweep; raises `NotSent`."""
        ...

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:
        """What stands on our tickets in a place that changed since then, a page of them from `after` on.

        Raises `NotSent` or `Refused` when they could not be listed.
        """
        ...

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Check the set-up without changing anything: address, credentials, rights, marker, and an honest "absent"."""
        ...


class SharedState(Protocol):
    """What the guards of all workers share. Every method raises `StoreUnavailable` when it cannot be told in time."""

    def tool(self, name: str) -> ToolState:
        """This process's copy, which is kept fresh in the background: costs nothing."""
        ...

    def failed(self, name: str, *, error: str, threshold: int, cool_down: timedelta) -> None:
        """Count a call that failed; with `threshold` in a row the breaker opens for `cool_down`, longer each time."""
        ...

    def succeeded(self, name: str) -> None:
        """Forget the failures and close the breaker."""
        ...

    def probe(self, name: str, lifetime: timedelta) -> bool:
        """Whether this caller may try a tool whose breaker has cooled down: one at a time, for `lifetime`."""
        ...

    def take(self, bucket: str, rate: Rate) -> timedelta:
        """Take one call out of a shared bucket: zero if it may be made now, else how long until one is there."""
        ...

    def block(self, bucket: str, wait: timedelta) -> None:
        """Let nobody take from this bucket for a while: the other system asked for it."""
        ...


class Decider(Protocol):
    """Concludes what a report is."""

    def decide(self, report: Report, claim: Claim) -> Decision:
        """A decision for every report, with who decided and why.

        What it costs is reserved and settled for this claim. It ends within `ASK_PATIENCE` of the claim's start.
        Raises the `ToolError` of whom it asked, to be tried again.
        """
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
