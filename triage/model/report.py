"""What comes in and what is concluded about it: validated where it crosses the edge."""

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from triage import errors

Json: TypeAlias = dict[str, Any]
"""A JSON object: string keys, JSON values."""

LONGEST_ARGUMENTS = 20_000


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


def _bounded(arguments: Json) -> Json:
    if len(json.dumps(arguments)) > LONGEST_ARGUMENTS:
        raise ValueError(f"is longer than {LONGEST_ARGUMENTS} characters of JSON")
    return arguments


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


class FollowUp(Record):
    """A further action that a decision proposes; whether it may happen is decided by the guards."""

    kind: str = Field(min_length=1, max_length=64, description="such as `calendar.block`")
    arguments: Annotated[Json, AfterValidator(_bounded)] = Field(default_factory=dict)


class Related(Record):
    """An earlier report's ticket that is about the same thing, or may be.

    `tool`, `target` and `ticket` name it as the tracker's adapter does; `likeness` (0 to 1) ranks, it does not decide.
    `why` is `text` or `trace` where the fingerprints are equal, `similar` where the words are alike, and `model` where
    a model took one of the similar ones for the same.
    """

    run_id: UUID
    tool: str = Field(max_length=64)
    target: str = Field(max_length=500)
    ticket: str = Field(max_length=500)
    url: str = Field(default="", max_length=2_000)
    title: str = Field(max_length=500)
    likeness: float = Field(ge=0, le=1)
    why: Literal["text", "trace", "similar", "model"]


class Prints(Record):
    """Fingerprints of a report, in hexadecimal; empty where there is none. Equal ones mean the same text or failure."""

    text: str = Field(default="", max_length=64)
    trace: str = Field(default="", max_length=64)


class Decision(Record):
    """What the triage stage concluded about a report."""

    kind: Kind
    severity: Severity
    component: str = Field(default="", max_length=64)
    title: str = Field(min_length=1, max_length=500)
    summary: str = Field(default="", max_length=2_000)
    labels: Annotated[tuple[Label, ...], Field(max_length=50)] = ()
    route: str = Field(max_length=200, description="whom to tell: the notifier's target, such as a channel")
    decided_by: str = Field(max_length=64, description="`rules` or, where nothing decided, `nobody`")
    reason: str = Field(max_length=4_000, description="why, in words a person understands")
    confidence: float = Field(default=1.0, ge=0, le=1, description="how often such a decision is right")
    project: str = Field(default="", max_length=200, description="where the ticket goes; empty: the set project")
    follow_ups: Annotated[tuple[FollowUp, ...], Field(max_length=50)] = ()
    same_as: Related | None = Field(default=None, description="whose ticket gets a comment instead of a second ticket")
    related: Annotated[tuple[Related, ...], Field(max_length=5)] = ()
    prints: Prints = Prints()
    versions: dict[str, str] = Field(
        default_factory=dict, description="of `rules`, `classifier`, `prompt`, `model`, `candidate` if they had a say"
    )
