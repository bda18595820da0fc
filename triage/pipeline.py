"""The order of stages and the legal moves of an effect: tables, and pure functions over them."""

from triage.model import Checkpoint, EffectState, Stage, digest

BEFORE = {
    Stage.TRIAGE: Checkpoint.RECEIVED,
    Stage.CREATE_TICKET: Checkpoint.TRIAGED,
    Stage.NOTIFY: Checkpoint.TICKET_CREATED,
}
"""The checkpoint at which a stage may be worked on."""

AFTER = {
    Stage.TRIAGE: Checkpoint.TRIAGED,
    Stage.CREATE_TICKET: Checkpoint.TICKET_CREATED,
    # `notified` and `done` fall together while no follow-ups are planned after the notice.
    Stage.NOTIFY: Checkpoint.DONE,
}
"""The checkpoint that finishing a stage saves."""

EFFECT_MOVES = {
    EffectState.PLANNED: {EffectState.SENDING},
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


def effect_key(run_key: bytes, stage: Stage, tool: str, target: str) -> bytes:
    """An effect's idempotency key (32 bytes): the same in every attempt, different for every run, tool and target."""
    return digest({"run": run_key.hex(), "stage": stage, "tool": tool, "target": target})
