"""What a tool is asked, and what it says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from triage.model.report import Json, Severity, digest
from triage.model.words import Stage, ToolClass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls within a duration."""

    calls: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What the engine and the guards must know of a tool.

    `timeout` bounds one call. `quarantine` is how long after that the other system may still commit it and its look-up
    may still not show it. `key_window` is how long a `windowed` tool keeps its key. `rate` is what the other system
    allows us in all, `target_rate` what it allows for one target; None where it publishes no limit.

    `beside` is set for a tool that comments on tickets: the name of the tool that files them. Its targets name a ticket
    (see `on_ticket`), and it shares that tool's limits, switch and approvals, since both write to the same system.
    """

    name: str
    tool_class: ToolClass
    timeout: timedelta
    quarantine: timedelta = timedelta()
    key_window: timedelta | None = None
    rate: Rate | None = None
    target_rate: Rate | None = None
    beside: str = ""


def on_ticket(place: str, ticket: str) -> str:
    """The target that names a ticket, such as `acme/shop#12`: `place` is the target that the ticket was filed with."""
    return f"{place}#{ticket}"


def ticket_in(target: str) -> tuple[str, str]:
    """Place and ticket of such a target; a ticket's id has no `#` in it."""
    place, _, ticket = target.rpartition("#")
    return place, ticket


@dataclass(frozen=True, slots=True)
class Draft:
    """An outbound call as a stage plans it: what (a JSON object that the tool renders) and where to (`target`)."""

    target: str
    content: Json


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's leave for one effect: `digest` is that of the request that was shown; see `Request.digest`."""

    id: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """An outbound call as a tool gets it; `deadline` is in seconds of `clock.now()`.

    `key` is 64 hexadecimal digits. What follows the deadline is for the guards: which of the stage's effects this is
    (from 1), and what was decided. `approval` is there once a person gave leave. `age` is for look-ups: how long ago it
    was first sent.
    """

    key: str
    target: str
    content: Json
    deadline: float
    stage: Stage = Stage.CREATE_TICKET
    number: int = 1
    severity: str = ""
    confidence: float = 1.0
    approval: Approval | None = None
    age: timedelta = timedelta()

    @property
    def digest(self) -> bytes:
        """SHA-256 of what would be sent and where to: what an approval is bound to."""
        return digest({"key": self.key, "target": self.target, "content": self.content})


@dataclass(frozen=True, slots=True)
class Sent:
    """The object that the other system made: its id there, and a link for people (may be empty).

    `dropped` says in words what of the request the other system left out.
    """

    remote_id: str
    remote_url: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Marked:
    """An object of the other system that carries an effect's key as its marker."""

    key: str
    remote_id: str
    remote_url: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a tool's preflight found of one part of its set-up, and how to mend it if it is not well."""

    part: str
    good: bool
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class LiveValues:
    """What the other system knows now; None where it cannot be asked for, so that nothing is checked against it.

    `targets` are the places that a request may name (projects, repositories, channels, calendars), by the name that a
    request uses.
    """

    targets: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    components: frozenset[str] | None = None
    users: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class ToolState:
    """What all workers know of a tool, some tenths of a second old at most.

    `switched_off` says who put it out of service and why; empty if it may be used. `failures` counts the calls in a row
    that got no answer or an unusable one. `open_for` is how long the circuit breaker still keeps everybody from calling
    it, `tripped` whether it has opened and not yet been closed by a call that went well.
    """

    switched_off: str = ""
    failures: int = 0
    tripped: bool = False
    open_for: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Outlet:
    """A tool as a place for drafts: `target` is where they go unless `routes` knows the decision's route.

    `least` is the severity from which it is used; None for always. `content` is put into every draft. `labels` are
    those that a decision may give; None for any.
    """

    tool: str
    target: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    least: Severity | None = None
    content: Json = field(default_factory=dict)
    labels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where everything goes: the ticket, the notices in order, and the tool for each kind of follow-up.

    `always` are the kinds of follow-up that need no proposal. `slot` says when the next working hour begins (ISO 8601):
    the start of an event that names none. `comments` is where a comment takes the place of a second ticket; None where
    the tracker takes none from us.
    """

    tracker: Outlet
    notices: tuple[Outlet, ...]
    follow_ups: Mapping[str, Outlet] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    slot: Callable[[], str] = str
    comments: Outlet | None = None
