"""The heart: the same four moves for every stage, claim, work, complete, return."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from triage import clock, effects, errors, pipeline, retry
from triage.model import (
    Claim,
    Decision,
    Draft,
    Finished,
    NoClaim,
    PlannedEffect,
    Report,
    Sent,
    Settlement,
    Stage,
    Status,
)
from triage.ports import Decider, Lease, Store, Tool
from triage.stages import create_ticket
from triage.stages import triage as triage_stage


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stage's message ends: the chain goes on, or it ends here (perhaps to be tried again in `retry_in`).

    `what` is one word for the log: finished, passed, not_claimed, lost, retry, held, dead.
    """

    goes_on: bool
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
        self, store: Store, decider: Decider, tools: Mapping[Stage, Tool], *, project: str, policy: retry.Policy
    ) -> None:
        """`tools` has the tracker under `create_ticket` and the notifier under `notify`; tickets go to `project`."""
        self._store = store
        self._decider = decider
        self._tools = tools
        self._project = project
        self._policy = policy

    def run_stage(
        self, run_id: UUID, stage: Stage, lease: Lease, *, claim: Claim | None = None, carry_on: bool = False
    ) -> Outcome:
        """Work on one stage of a run, once, and say how its message ends.

        With `carry_on` the commit that completes the stage also claims the next one, and the outcome brings that claim,
        to be given to the next call as `claim`.

        A worker may die between any two lines. Before `claim` commits, nothing happened. After it, the claim ends with
        the process, and the next one finds the attempt and, for an effect, "about to send". After `complete` commits,
        the stage is passed for ever. If the process lives but Postgres does not answer, `StoreUnavailable` leaves this
        function and the claim ends by its deadline.
        """
        taken = claim or self._store.claim(run_id, stage, lease)
        if isinstance(taken, NoClaim):
            return Outcome(taken.passed, "passed" if taken.passed else "not_claimed", taken.why)
        return self._run_claimed(taken, lease, carry_on=carry_on)

    def _run_claimed(self, claim: Claim, lease: Lease, *, carry_on: bool) -> Outcome:
        hopeless = retry.lost_too_often(claim.losses, claim.effect, self._policy)
        if hopeless is not None:
            return self._settle(claim, hopeless, lease)
        try:
            finished = self._work(claim, lease)
        except Exception as error:  # noqa: BLE001 - what is not expected becomes a dead letter, not a lost message
            return self._settle(claim, self._decide(claim, error), lease)
        completed = self._store.complete(claim, finished, lease, carry_on=carry_on)
        return _outcome(claim, completed.kept, Outcome(completed.kept, "finished", next_claim=completed.next_claim))

    def _work(self, claim: Claim, lease: Lease) -> Finished:
        if claim.effect is None:
            return self._triage(claim)
        sent = effects.perform(claim, claim.effect, self._tool(claim.effect.tool, claim.stage), lease)
        return Finished(sent=sent, next_effect=self._plan_after(claim, sent))

    def _triage(self, claim: Claim) -> Finished:
        report = Report.parse(claim.report)
        decision = self._decider.decide(report)
        draft = triage_stage.plan_ticket(report, decision, self._project)
        return Finished(decision=decision, next_effect=self._planned(claim, Stage.CREATE_TICKET, draft))

    def _plan_after(self, claim: Claim, sent: Sent) -> PlannedEffect | None:
        """A pure function of the decision and the object; a repeated attempt plans the same."""
        if claim.stage is not Stage.CREATE_TICKET:
            return None
        draft = create_ticket.plan_notice(Decision.model_validate(claim.decision), sent)
        return self._planned(claim, Stage.NOTIFY, draft)

    def _planned(self, claim: Claim, stage: Stage, draft: Draft) -> PlannedEffect:
        spec = self._tools[stage].spec
        key = pipeline.effect_key(claim.run_key, stage, spec.name, draft.target)
        return PlannedEffect(key, stage, spec, draft)

    def _tool(self, name: str, stage: Stage) -> Tool:
        tool = self._tools[stage]
        if tool.spec.name != name:
            raise errors.NotSent(f"planned for the tool {name}, but this worker is set up with {tool.spec.name}")
        return tool

    def _decide(self, claim: Claim, error: Exception) -> Settlement:
        spread = (claim.run_key[0] * 256 + claim.run_key[1]) / 65_536
        return retry.decide(error, claim.attempt, claim.effect, self._policy, spread)

    def _settle(self, claim: Claim, settlement: Settlement, lease: Lease) -> Outcome:
        kept = self._store.settle(claim, settlement, lease)
        retry_in = settlement.delay if settlement.status is Status.ACTIVE else None
        return _outcome(claim, kept, Outcome(False, settlement.outcome, settlement.reason, retry_in=retry_in))


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
