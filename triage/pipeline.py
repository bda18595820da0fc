"""The order of stages and the legal moves of an effect: tables, and pure functions over them."""

from triage.model import Checkpoint, EffectState, Stage, digest

BEFORE = {
    Stage.TRIAGE: Checkpoint.RECEIVED,
    Stage.CREATE_TICKET: Checkpoint.TRIAGED,
    Stage.NOTIFY: Checkpoint.TICKET_CREATED,
    Stage.FOLLOW_UP: Checkpoint.NOTIFIED,
}
"""The checkpoint at which a stage may be worked on."""

AFTER = {
    Stage.TRIAGE: Checkpoint.TRIAGED,
    Stage.CREATE_TICKET: Checkpoint.TICKET_CREATED,
    Stage.NOTIFY: Checkpoint.NOTIFIED,
    Stage.FOLLOW_UP: Checkpoint.DONE,
}
"""The checkpoint that finishing a stage saves, if another stage follows."""

EFFECT_MOVES = {
    EffectState.PLANNED: {EffectState.SENDING, EffectState.REFUSED},  # refused by a person who denies leave
    EffectState.SENDING: {
        EffectState.SENDING,  # a keyed tool is sent the same again after the sender died
        EffectState.CONFIRMED,
        EffectState.REFUSED,
        EffectState.PLANNED,  # surely not sent
        EffectState.UNKNOWN,
    },
    EffectState.UNKNOWN: {EffectState.SENDING, EffectState.CONFIRMED, EffectState.PLANNED, EffectState.UNKNOWN},
    EffectState.REFUSED: {EffectState.PLANNED},  # only by a person's redrive
    EffectState.CONFIRMED: set(),
}
"""Which states an effect may go to from each state; the database refuses every other move."""

ABSENCES_TO_RESEND = 2
"""How often a findable marker must be absent, a quarantine apart, before the request is sent again."""


def stages_from(checkpoint: Checkpoint) -> tuple[Stage, ...]:
    """The stages that a run at this checkpoint still has before it, in order."""
    order = list(Stage)
    return next((tuple(order[i:]) for i, stage in enumerate(order) if BEFORE[stage] == checkpoint), ())


def following(stage: Stage) -> Stage | None:
    """The stage after this one, or None after the last."""
    return next(iter(stages_from(AFTER[stage])), None)


def checkpoint_before(next_stage: Stage | None) -> Checkpoint:
    """Where a run is whose next effect is of this stage; done if there is none."""
    return BEFORE[next_stage] if next_stage else Checkpoint.DONE


def effect_key(run_key: bytes, stage: Stage, number: int, tool: str, target: str) -> bytes:
    """An effect's idempotency key (32 bytes): the same in every attempt, another one for every other effect."""
    return digest({"run": run_key.hex(), "stage": stage, "number": number, "tool": tool, "target": target})
