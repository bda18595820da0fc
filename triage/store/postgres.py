"""The store in Postgres: records in, one statement, records out."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb
from sqlalchemy import exc

from triage import clock, errors, pipeline, tracing
from triage.model import (
    Approval,
    Ask,
    Claim,
    Completed,
    Effect,
    EffectState,
    Finished,
    Json,
    Made,
    NoClaim,
    PlannedEffect,
    Report,
    Sent,
    Settlement,
    Stage,
    Submitted,
    ToolClass,
)
from triage.ports import Lease
from triage.store.database import Database, Row

PROCESS_TTL = timedelta(seconds=4)
"""A process whose row was not renewed for so long is held for dead by the others."""
CLAIM_LIMIT = timedelta(seconds=90)
"""How long a claim lasts beyond its tool's timeout when its process lives but its thread hangs."""
RETRY_BY_MESSAGE = timedelta(seconds=20)
"""Up to this delay the broker carries a retry; a longer one is only a due time that the relay finds."""
RELAY_GRACE = timedelta(seconds=5)
"""How long the relay waits for a retry that the broker carries before it rings itself."""
COMPLETION_PATIENCE = timedelta(seconds=60)
"""How long a finished call's outcome is kept in memory while Postgres is away, before it becomes unknown."""


class PostgresStore:
    """Implements `ports.Store`."""

    def __init__(self, database: Database, policy: str = "") -> None:
        """The database must have been migrated. `policy` is the version by which this process's guards judge."""
        self._database = database
        self._policy = policy

    def submit_many(self, reports: Sequence[Report], trace: str | None) -> list[Submitted]:
        """Insert what is new in one commit; answers in the order of `reports`.

        Sorted by key, so that two batches with the same reports wait for each other instead of deadlocking.
        """
        order = sorted(range(len(reports)), key=lambda i: reports[i].key)
        contents = [Jsonb(reports[i].model_dump(mode="json")) for i in order]
        try:
            rows = self._database.all("submit_many", {"reports": contents, "trace": trace})
        except exc.IntegrityError as error:  # the edge has validated; this is a report that slipped past it
            raise errors.InvalidReport("report", str(error.orig).splitlines()[0]) from error
        answers = {i: Submitted(row.run_id, row.created) for i, row in zip(order, rows, strict=True)}
        return [answers[i] for i in range(len(reports))]

    def claim(self, run_id: UUID, stage: Stage, lease: Lease) -> Claim | NoClaim:
        """Take the right to work on a stage; for a stage with an effect this commits "about to send"."""
        started, claim_id = clock.now(), uuid4()
        params = {
            "run_id": run_id,
            "stage": stage,
            "checkpoint": pipeline.BEFORE[stage],
            "claim_id": claim_id,
            "process_id": lease.process_id,
            "limit": CLAIM_LIMIT,
            "ttl": PROCESS_TTL,
            "policy": self._policy,
        }
        row = self._database.one("claim_triage" if stage is Stage.TRIAGE else "claim_effect", params)
        if row is None:
            return NoClaim(False, "no such run")
        if row.fence is None:
            return _no_claim(row, stage)
        return _claim(row, run_id, stage, claim_id, started)

    def complete(self, claim: Claim, finished: Finished, lease: Lease, *, carry_on: bool) -> Completed:
        """Save a finished stage, and with `carry_on` claim the next effect in the same commit."""
        started = clock.now()
        next_claim_id = uuid4() if carry_on and finished.next_effect else None
        params = _attempt(claim, lease) | _planned(finished.next_effect)
        params |= {"next_claim_id": next_claim_id, "limit": CLAIM_LIMIT, "policy": self._policy}
        if finished.decision is not None:
            name, params = "complete_triage", params | _decision(finished)
        else:
            name, params = "complete_effect", params | _confirmed(claim, finished)
        row = self._save(name, params)
        if row is None or not row.carried or next_claim_id is None:
            return Completed(kept=row is not None)
        return Completed(kept=True, next_claim=_next_claim(claim, finished, row.fence, next_claim_id, started))

    def settle(self, claim: Claim, settlement: Settlement, lease: Lease) -> bool:
        """Save an attempt that did not finish its stage; False if the claim was lost."""
        carried = settlement.by_message and timedelta() < settlement.delay <= RETRY_BY_MESSAGE
        params = (
            _attempt(claim, lease)
            | {
                "status": settlement.status,
                "outcome": settlement.outcome,
                "delay": settlement.delay,
                "grace": RELAY_GRACE if carried else timedelta(),
                "reason": settlement.reason,
                "waits_on": settlement.waits_on,
                "effect_key": claim.effect.key if claim.effect else None,
                "effect_state": settlement.effect_state,
                "absences": settlement.absences,
                "counted": settlement.counted,
            }
            | _ask(settlement.ask)
        )
        return self._save("settle", params) is not None

    def _save(self, name: str, params: Json) -> Row | None:
        """None if the claim was lost, which is asked twice.

        The first answer may come from the repetition of a statement whose connection broke while it was under way: that
        repetition waits for it, but only a new statement sees what it wrote.
        """
        row = self._database.one(name, params, COMPLETION_PATIENCE)
        return row or self._database.one(name, params, COMPLETION_PATIENCE)


def _no_claim(row: Row, stage: Stage) -> NoClaim:
    """Why there was nothing to claim, as far as this statement saw it."""
    passed = stage not in pipeline.stages_from(row.checkpoint)
    if row.status != "active":
        return NoClaim(passed and row.status == "done", f"the run is {row.status}")
    return NoClaim(passed, f"the run is at {row.checkpoint}" if passed else "claimed by another worker, or not yet due")


def _claim(row: Row, run_id: UUID, stage: Stage, claim_id: UUID, started: float) -> Claim:
    triage = stage is Stage.TRIAGE
    return Claim(
        run_id=run_id,
        run_key=bytes(row.key),
        stage=stage,
        fence=row.fence,
        claim_id=claim_id,
        attempt=row.attempt,
        losses=row.losses,
        started=started,
        report=row.report if triage else None,
        decision=None if triage else row.decision,
        effect=None if triage else _effect(row),
        made=() if triage else tuple(_made(one) for one in row.made or ()),
    )


def _made(fields: Json) -> Made:
    return Made(Stage(fields["stage"]), fields["tool"], Sent(fields["id"], fields["url"] or ""))


def _next_claim(claim: Claim, finished: Finished, fence: int, claim_id: UUID, started: float) -> Claim:
    """The claim that the completing statement took, without asking for it again."""
    planned = finished.next_effect
    if planned is None:
        raise AssertionError("only what plans an effect is carried on")
    decision = finished.decision.model_dump(mode="json") if finished.decision else claim.decision
    effect = Effect(
        key=planned.key,
        tool=planned.spec.name,
        tool_class=planned.spec.tool_class,
        target=planned.draft.target,
        content=planned.draft.content,
        state=EffectState.SENDING,
        timeout=planned.spec.timeout,
        quarantine=planned.spec.quarantine,
        number=planned.number,
    )
    return Claim(
        run_id=claim.run_id,
        run_key=claim.run_key,
        stage=planned.stage,
        fence=fence,
        claim_id=claim_id,
        attempt=1,
        losses=0,
        started=started,
        decision=decision,
        effect=effect,
        made=_made_by(claim, finished),
    )


def _made_by(claim: Claim, finished: Finished) -> tuple[Made, ...]:
    """The run's objects with the one that was just made."""
    if claim.effect is None or finished.sent is None:
        return claim.made
    return (*claim.made, Made(claim.stage, claim.effect.tool, finished.sent))


def _effect(row: Row) -> Effect:
    return Effect(
        key=bytes(row.effect_key),
        tool=row.tool,
        tool_class=ToolClass(row.tool_class),
        target=row.target,
        content=row.content,
        state=EffectState(row.state),
        timeout=row.timeout,
        quarantine=row.quarantine,
        number=row.number,
        resent=row.resent,
        absences=row.absences,
        wait=row.wait or timedelta(),
        sent=Sent(row.remote_id, row.remote_url or "") if row.remote_id is not None else None,
        refusal=row.effect_error or "",
        age=row.age or timedelta(),
        approval=Approval(row.approval_id, bytes(row.approval_digest)) if row.approval_id is not None else None,
    )


def _attempt(claim: Claim, lease: Lease) -> Json:
    return {
        "run_id": claim.run_id,
        "stage": claim.stage,
        "fence": claim.fence,
        "claim_id": claim.claim_id,
        "number": claim.attempt,
        "process_id": lease.process_id,
        "seconds": clock.now() - claim.started,
        "trace": tracing.traceparent(),
    }


def _decision(finished: Finished) -> Json:
    if finished.decision is None:
        raise AssertionError("the triage stage finishes with a decision")
    decision = finished.decision
    return {
        "kind": decision.kind,
        "severity": decision.severity,
        "decided_by": decision.decided_by,
        "decision": Jsonb(decision.model_dump(mode="json")),
    }


def _confirmed(claim: Claim, finished: Finished) -> Json:
    sent, refused, planned = finished.sent, finished.refused, finished.next_effect
    if claim.effect is None or (sent is None) == (refused is None):
        raise AssertionError("a stage with an effect finishes with what was sent, or with why it was refused")
    return {
        "checkpoint": pipeline.checkpoint_before(planned.stage if planned else None),
        "effect_key": claim.effect.key,
        "state": EffectState.CONFIRMED if sent else EffectState.REFUSED,
        "refused": refused,
        "remote_id": sent and sent.remote_id,
        "remote_url": sent and sent.remote_url,
        "dropped": list(sent.dropped) if sent else [],
    }


def _ask(ask: Ask | None) -> Json:
    return {
        "leave_digest": ask and ask.digest,
        "leave_people": ask and ask.people,
        "leave_lifetime": ask and ask.lifetime,
    }


def _planned(effect: PlannedEffect | None) -> Json:
    spec, draft = (effect.spec, effect.draft) if effect else (None, None)
    return {
        "next_key": effect and effect.key,
        "next_stage": effect and effect.stage,
        "next_number": effect and effect.number,
        "next_tool": spec and spec.name,
        "next_target": draft and draft.target,
        "next_tool_class": spec and spec.tool_class,
        "next_timeout": spec and spec.timeout,
        "next_quarantine": spec and spec.quarantine,
        "next_key_window": spec and spec.key_window,
        "next_content": Jsonb(draft.content) if draft else None,
    }
