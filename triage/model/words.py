"""The words for where things stand."""

from enum import StrEnum


class Stage(StrEnum):
    """A step of a run; its queue and its task carry the same name."""

    TRIAGE = "triage"
    CREATE_TICKET = "create_ticket"
    NOTIFY = "notify"
    FOLLOW_UP = "follow_up"


class Checkpoint(StrEnum):
    """How far a run has come; saved before the next stage starts."""

    RECEIVED = "received"
    TRIAGED = "triaged"
    TICKET_CREATED = "ticket_created"
    NOTIFIED = "notified"
    DONE = "done"


class Status(StrEnum):
    """Whether a run goes on by itself."""

    ACTIVE = "active"
    HELD = "held"
    DEAD = "dead"
    CANCELLED = "cancelled"
    DONE = "done"


class EffectState(StrEnum):
    """What is known about one outbound call; see `pipeline.EFFECT_MOVES`."""

    PLANNED = "planned"
    SENDING = "sending"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ToolClass(StrEnum):
    """How a tool lets us find out whether a call was committed."""

    KEYED = "keyed"
    """It has a permanent key of its own: sending the same again cannot make a second object."""
    WINDOWED = "windowed"
    """Its key is kept for a limited time."""
    FINDABLE = "findable"
    """It has no key, but our marker can be looked up afterwards."""
    BLIND = "blind"
    """It has neither: an unknown outcome waits for a person."""
    REPEATED = "repeated"
    """It has neither, and its owner would rather get the same twice, with the same id, than wait for a person."""
