"""The domain's records: frozen, validated where they come in, free of I/O and clocks."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from triage import errors

Json: TypeAlias = dict[str, Any]
"""A JSON object: string keys, JSON values."""


def _storable(value: object) -> object:
    """Refuse text that Postgres cannot keep, so that it fails here, with the field's name."""
    text = value if isinstance(value, str) else ""
    if "\x00" in text:
        raise ValueError("contains a NUL character, which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("contains half of a surrogate pair; send valid Unicode") from None
    return value


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("is true or false, not a number")  # noqa: TRY004 - what pydantic turns into its own error
    return value


Text: TypeAlias = Annotated[str, BeforeValidator(_storable)]
Label: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64), BeforeValidator(_storable)]
Name: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Record(BaseModel):
    """Base of everything that crosses the edge: frozen, and no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Report(Record):
    """What came in. `source`, `source_id` and `kind` are its identity; everything else may differ between repeats."""

    source: Name = Field(description="the system it comes from, such as `sentry` or `support-mail`")
    source_id: Annotated[
        str, StringConstraints(max_length=200), AfterValidator(_not_blank), BeforeValidator(_storable)
    ] = Field(description="its id in that system")
    kind: Name = Field(default="bug", description="the kind of submission, as the source calls it")
    title: Annotated[str, StringConstraints(max_length=500), AfterValidator(_not_blank), BeforeValidator(_storable)]
    body: Annotated[str, StringConstraints(max_length=100_000), BeforeValidator(_storable)] = ""
    reporter: Annotated[str, StringConstraints(max_length=200), BeforeValidator(_storable)] = ""
    url: Annotated[str, StringConstraints(max_length=2_000), BeforeValidator(_storable)] = ""
    labels: Annotated[tuple[Label, ...], Field(max_length=20)] = ()
    priority: Annotated[int, BeforeValidator(_not_boolean), Field(ge=0, le=9)] = Field(
        default=0, description="higher goes first"
    )

    @classmethod
    def parse(cls, fields: object) -> Self:
        """Validate fields from outside.

        Raises:
            InvalidReport: names the first field that breaks a bound.
        """
        try:
            return cls.model_validate(fields)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "report"
            raise errors.InvalidReport(field, first["msg"]) from None

    @property
    def key(self) -> bytes:
        """The idempotency key: 32 bytes of SHA-256 over the meaningful fields, never over times or text."""
        return digest({"kind": self.kind, "source": self.source, "source_id": self.source_id})


def digest(meaning: Json) -> bytes:
    """SHA-256 (32 bytes) over the canonical JSON: sorted keys, no spaces, UTF-8.

    The SQL function `triage_key` computes the same for callers that submit in their own transaction.
    """
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()


class Kind(StrEnum):
    """What a report is about."""

    BUG = "bug"
    CRASH = "crash"
    REGRESSION = "regression"
    PERFORMANCE = "performance"
    SECURITY = "security"
    FEATURE = "feature"
    QUESTION = "question"
    DOCUMENTATION = "documentation"


class Severity(StrEnum):
    """How bad it is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Decision(Record):
    """What the triage stage concluded about a report."""

    kind: Kind
    severity: Severity
    component: str = Field(default="", max_length=64)
    title: str = Field(min_length=1, max_length=500)
    summary: str = Field(default="", max_length=2_000)
    labels: tuple[str, ...] = ()
    route: str = Field(description="whom to tell: the notifier's target, such as a channel")
    decided_by: str = Field(description="`rules` or, where nothing decided, `nobody`")
    reason: str = Field(description="why, in words a person understands")


class Stage(StrEnum):
    """A step of a run; its queue and its task carry the same name."""

    TRIAGE = "triage"
    CREATE_TICKET = "create_ticket"
    NOTIFY = "notify"


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


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the engine must know of a tool.

    `timeout` bounds one call. `quarantine` is how long after that the other system may still commit it and its look-up
    may still not show it. `key_window` is how long a `windowed` tool keeps its key.
    """

    name: str
    tool_class: ToolClass
    timeout: timedelta
    quarantine: timedelta = timedelta()
    key_window: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An outbound call as a stage plans it: what (a JSON object that the tool renders) and where to (`target`)."""

    target: str
    content: Json


@dataclass(frozen=True, slots=True)
class Request:
    """An outbound call as a tool gets it; `deadline` is in seconds of `clock.now()`."""

    key: str
    target: str
    content: Json
    deadline: float


@dataclass(frozen=True, slots=True)
class Sent:
    """The object that the other system made: its id there, and a link for people (may be empty)."""

    remote_id: str
    remote_url: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One outbound call that changes something, as its claim found it.

    `resent` says that an earlier call with the same key may have been committed. `absences` counts the look-ups that
    did not find the marker. `wait` is how long from now the quarantine still lasts. `sent` is set once it is confirmed.
    """

    key: bytes
    tool: str
    tool_class: ToolClass
    target: str
    content: Json
    state: EffectState
    timeout: timedelta
    quarantine: timedelta
    resent: bool = False
    absences: int = 0
    wait: timedelta = timedelta()
    sent: Sent | None = None


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """An effect that the completing stage plans for the next one."""

    key: bytes
    stage: Stage
    spec: ToolSpec
    draft: Draft


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one stage of a run until it is completed, settled or lost; `fence` proves it.

    `started` is in seconds of `clock.now()`, from before the claim was asked for: a deadline counted
    from it ends before the one that the database counts from its commit. The triage stage gets the report's fields, the
    stages with an effect get the decision's. `losses` counts the attempts in a row that died with their process.
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


@dataclass(frozen=True, slots=True)
class NoClaim:
    """Why a run could not be claimed: `passed` when the stage was finished before, else somebody else's turn."""

    passed: bool
    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What a stage came to: the decision (triage) or the confirmed object (the others), and the next stage's effect."""

    decision: Decision | None = None
    sent: Sent | None = None
    next_effect: PlannedEffect | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt that did not finish its stage ends: the run's new status, when it goes on, and what it waits for.

    `effect_state` and `absences` are what is now known of the effect; None where the stage has none. An attempt that
    was no try, only a wait, is not `counted`.
    """

    status: Status
    outcome: str
    reason: str
    delay: timedelta = timedelta()
    waits_on: str | None = None
    effect_state: EffectState | None = None
    absences: int = 0
    counted: bool = True


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
