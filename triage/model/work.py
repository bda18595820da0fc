"""Work on a run: effects, claims, and how attempts end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from triage.model.report import Decision, Json
from triage.model.tools import Approval, Draft, Sent, ToolSpec
from triage.model.words import EffectState, Stage, Status, ToolClass


@dataclass(frozen=True, slots=True)
class Effect:
    """One outbound call that changes something, as its claim found it.

    `resent` says that an earlier call with the same key may have been committed. `absences` counts the look-ups that
    did not find the marker. `wait` is how long from now the quarantine still lasts. `sent` is set once it is confirmed.
    `number` counts the effects of its stage from 1. `refusal` is why it was refused before, `age` how
    long ago it was first sent.
    """

    key: bytes
    tool: str
    tool_class: ToolClass
    target: str
    content: Json
    state: EffectState
    timeout: timedelta
    quarantine: timedelta
    number: int = 1
    resent: bool = False
    absences: int = 0
    wait: timedelta = timedelta()
    sent: Sent | None = None
    refusal: str = ""
    approval: Approval | None = None
    age: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """An effect that the one before it plans: the first of the next stage, or another one of the same stage."""

    key: bytes
    stage: Stage
    number: int
    spec: ToolSpec
    draft: Draft


@dataclass(frozen=True, slots=True)
class Made:
    """An object that an earlier effect of the run made."""

    stage: Stage
    tool: str
    sent: Sent


def ticket_of(decision: Decision, made: Sequence[Made]) -> tuple[Sent, bool]:
    """The run's ticket, and whether it is one that it only commented on, in place of filing a second.

    With the tool of the original ticket itself one was filed after all, as nobody could comment; see `steps.instead`.
    """
    first, original = next(one for one in made if one.stage is Stage.CREATE_TICKET), decision.same_as
    if original is None or first.tool == original.tool:
        return first.sent, False
    return Sent(original.ticket, original.url), True


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one stage of a run until it is completed, settled or lost; `fence` proves it.

    `started` is in seconds of `clock.now()`, from before the claim was asked for: a deadline counted
    from it ends before the one that the database counts from its commit. The triage stage gets the report's fields, the
    stages with an effect get the decision's. `losses` counts the attempts in a row that died with their process. `made`
    are the run's objects so far, in order.
    """

    run_id: UUID
    run_key: bytes
    stage: Stage
    fence: int
    claim_id: UUID
    attempt: int
    losses: int
    started: float
    report: Json | None = None
    decision: Json | None = None
    effect: Effect | None = None
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True)
class NoClaim:
    """Why a run could not be claimed: `passed` when the stage was finished before, else somebody else's turn."""

    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What a stage came to, and the next effect if there is one.

    Of the triage stage that is the decision, of the others the confirmed object, or for good why it was `refused` where
    the run goes on without it.
    """

    decision: Decision | None = None
    sent: Sent | None = None
    refused: str | None = None
    next_effect: PlannedEffect | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """So many `people` have to give leave for the request with this digest within `lifetime`."""

    digest: bytes
    people: int
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt that did not finish its stage ends: the run's new status, when it goes on, and what it waits for.

    `effect_state` and `absences` are what is now known of the effect; None where the stage has none. An attempt that
    was no try, only a wait, is not `counted`. `ask` is for a run that waits for somebody's leave.
    """

    status: Status
    outcome: str
    reason: str
    delay: timedelta = timedelta()
    waits_on: str | None = None
    effect_state: EffectState | None = None
    absences: int = 0
    counted: bool = True
    ask: Ask | None = None

    @property
    def by_message(self) -> bool:
        """Whether a short delay may be left to the message, which comes again.

        A mere wait is not: when a breaker opens or a limit is reached, the runs that wait are many at once, and their
        messages would fill the broker beyond its mark. The relay rings them when they are due.
        """
        return self.status is Status.ACTIVE and self.counted


@dataclass(frozen=True, slots=True)
class Completed:
    """Whether a finished stage was saved (`kept`), and the claim on the next stage if the same commit took it."""

    kept: bool
    next_claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A run's id, and whether this submission created it."""

    run_id: UUID
    created: bool
