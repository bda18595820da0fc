"""The heart: the same four moves for every stage, claim, work, complete, return."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from triage import clock, effects, errors, pipeline, retry
from triage.model import (
    Claim,
    Decision,
    Effect,
    Finished,
    Made,
    NoClaim,
    Outlets,
    PlannedEffect,
    Report,
    Settlement,
    Stage,
)
from triage.ports import Decider, Lease, Store, Tool
from triage.stages import steps


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage's message ends.

    The run goes on with `next_stage` (perhaps the same again, with its next effect), or the message ends here (perhaps
    to be tried again in `retry_in`). `what` is one word for the log: finished, passed, not_claimed, lost, retry, held,
    dead.
    """

    next_stage: Stage | None
    what: str
    why: str = ""
    attempt: int = 0
    tool: str = ""
    seconds: float = 0.0
    retry_in: timedelta | None = None
    next_claim: Claim | None = None


class Engine:
    """Works on runs. It holds no state of its own: what is true is in the store."""

    def __init__(
        self,
        store: Store,
        decider: Decider,
        tools: Mapping[str, Tool],
        outlets: Outlets,
        *,
        policy: retry.Policy,
        mask: Callable[[Report], Report] = lambda report: report,
    ) -> None:
        """`tools` by name, guarded. `mask` takes the secrets out of a report before anything is made of it."""
        self._store = store
        self._decider = decider
        self._tools = tools
        self._outlets = outlets
        self._policy = policy
        self._mask = mask

    def run_stage(
        self, run_id: UUID, stage: Stage, lease: Lease, *, claim: Claim | None = None, carry_on: Collection[Stage] = ()
    ) -> Outcome:
        """Work on one stage of a run, once, and say how its message ends.

        If the next effect's stage is in `carry_on`, the commit that completes this one also claims it, and the outcome
        brings that claim, to be given to the next call as `claim`.

        A worker may die between any two lines. Before `claim` commits, nothing happened. After it, the claim ends with
        the process, and the next one finds the attempt and, for an effect, "about to send". After `complete` commits,
        the stage is passed for ever. If the process lives but Postgres does not answer, `StoreUnavailable` leaves this
        function and the claim ends by its deadline.
        """
        taken = claim or self._store.claim(run_id, stage, lease)
        if isinstance(taken, NoClaim):
            following = pipeline.following(stage) if taken.passed else None
            return Outcome(following, "passed" if taken.passed else "not_claimed", taken.why)
        return self._run_claimed(taken, lease, carry_on=carry_on)

    def _run_claimed(self, claim: Claim, lease: Lease, *, carry_on: Collection[Stage]) -> Outcome:
        hopeless = retry.lost_too_often(claim.losses, claim.effect, self._policy)
        if hopeless is not None:
            return self._settle(claim, hopeless, lease)
        try:
            finished = self._work(claim, lease)
        except Exception as error:  # noqa: BLE001 - what is not expected becomes a dead letter, not a lost message
            return self._settle(claim, self._decide(claim, error), lease)
        planned = finished.next_effect
        goes_on = planned is not None and planned.stage in carry_on
        completed = self._store.complete(claim, finished, lease, carry_on=goes_on)
        next_stage = planned.stage if planned and completed.kept else None
        outcome = Outcome(next_stage, "finished", finished.refused or "", next_claim=completed.next_claim)
        return _outcome(claim, completed.kept, outcome)

    def _work(self, claim: Claim, lease: Lease) -> Finished:
        if claim.effect is None:
            return self._triage(claim)
        try:
            sent = effects.perform(claim, claim.effect, self._tool(claim.effect.tool), lease)
        except errors.Refused as error:
            return self._without(claim, claim.effect, error)
        made = Made(claim.stage, claim.effect.tool, sent)
        return Finished(sent=sent, next_effect=self._after(claim, claim.effect, (*claim.made, made)))

    def _without(self, claim: Claim, effect: Effect, error: errors.Refused) -> Finished:
        """Go on without a call that was refused, if nothing of it can have been committed; else the error is raised.

        The ticket and the notice stand for themselves: a run is not dead because of what was to come on top. And where
        a comment in place of a second ticket is refused, the ticket is filed. Both are saved in one commit: a worker
        that dies before it leaves the refused call to be made again, one that dies after it the next one planned.
        """
        other = steps.instead(claim.stage, effect.number, effect.content)
        if retry.may_be_committed(effect) or (other is None and claim.stage is not Stage.FOLLOW_UP):
            raise error
        following = self._planned(claim, other) if other else self._after(claim, effect, claim.made)
        return Finished(refused=str(error)[:1_000], next_effect=following)

    def _triage(self, claim: Claim) -> Finished:
        report = self._mask(Report.parse(claim.report))
        # A model may be asked in here, with no statement under way. What it said is kept with its bill, and what comes
        # of it is saved by the statement that completes the stage: a finished stage is never paid twice.
        decision = steps.settled(self._decider.decide(report, claim), self._outlets)
        return Finished(
            decision=decision, next_effect=self._planned(claim, steps.ticket(report, decision, self._outlets))
        )

    def _after(self, claim: Claim, effect: Effect, made: tuple[Made, ...]) -> PlannedEffect | None:
        decision = Decision.model_validate(claim.decision)
        step = steps.after(claim.stage, effect.number, decision, made, self._outlets)
        return self._planned(claim, step) if step else None

    def _planned(self, claim: Claim, step: steps.Step) -> PlannedEffect:
        spec = self._tool(step.tool).spec
        key = pipeline.effect_key(claim.run_key, step.stage, step.number, spec.name, step.draft.target)
        return PlannedEffect(key, step.stage, step.number, spec, step.draft)

    def _tool(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            raise errors.NotSent(f"there is no tool {name} here; this worker is set up with {', '.join(self._tools)}")
        return tool

    def _decide(self, claim: Claim, error: Exception) -> Settlement:
        spread = (claim.run_key[0] * 256 + claim.run_key[1]) / 65_536
        return retry.decide(error, claim.attempt, claim.effect, self._policy, spread)

    def _settle(self, claim: Claim, settlement: Settlement, lease: Lease) -> Outcome:
        kept = self._store.settle(claim, settlement, lease)
        retry_in = settlement.delay if settlement.by_message else None
        return _outcome(claim, kept, Outcome(None, settlement.outcome, settlement.reason, retry_in=retry_in))


def _outcome(claim: Claim, kept: bool, outcome: Outcome) -> Outcome:  # noqa: FBT001 - the store's answer
    """The outcome with its measures; if the claim was lost, somebody else goes on with the run."""
    return replace(
        outcome,
        what=outcome.what if kept else "lost",
        attempt=claim.attempt,
        tool=claim.effect.tool if claim.effect else "",
        seconds=clock.now() - claim.started,
        retry_in=outcome.retry_in if kept else None,
    )
