"""What a request may hold, by purpose: types and sizes. The sizes are far beyond what stages plan and tools cut to.

Tickets and notices are planned by our stages: a field that is not known here is some newer version's, and only its size
matters. An event's fields come from a model: one that is not known is refused.
"""

import json
import re
from datetime import datetime
from typing import Annotated, TypeAlias

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from triage.guards.policy import Purpose
from triage.model import Json

CALENDAR = "calendar.block"
LARGEST = 1_000_000
"""Bytes of JSON."""
LONGEST_EVENT = 1_000_000
"""Minutes: what a duration can be read from; the policy's bound is far below."""

_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _moment(given: object) -> datetime:
    """One form only, so that no calendar system reads another time than was judged."""
    if not isinstance(given, str) or not _MOMENT.fullmatch(given):
        raise ValueError("should be a time with its offset, such as 2031-05-06T14:00:00+02:00")
    return datetime.fromisoformat(given)


Line: TypeAlias = Annotated[str, StringConstraints(max_length=2_000)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=250_000)]
Said: TypeAlias = Annotated[str, StringConstraints(max_length=2_000, pattern=r"\S")]
Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
Address: TypeAlias = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
    ),
]


class _Content(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    link: Line = ""


class Origin(BaseModel):
    """Where the report came from."""

    model_config = ConfigDict(strict=True, frozen=True)

    source: Line = ""
    source_id: Line = ""
    reporter: Line = ""
    url: Line = ""


class RelatedTicket(BaseModel):
    """A ticket of ours that may be about the same."""

    model_config = ConfigDict(strict=True, frozen=True)

    id: Line = ""
    url: Line = ""
    title: Line = ""


class Original(BaseModel):
    """The ticket that is commented on; `OwnTicket` asks the database whether it is ours."""

    model_config = ConfigDict(strict=True, frozen=True)

    run_id: Line
    tool: Line
    target: Line
    ticket: Line
    url: Line = ""
    title: Line = ""
    why: Line = ""


class Ticket(_Content):
    """A ticket's draft.

    With `same_as` it is a comment's, which carries the ticket in case it is refused; that one then has `instead_of`.
    """

    title: Said
    text: Text = ""
    origin: Origin = Origin()
    why: Text = ""
    kind: Line = ""
    severity: Line = ""
    component: Line = ""
    labels: Annotated[list[Line], Field(max_length=100)] = []
    route: Line = ""
    related: Annotated[list[RelatedTicket], Field(max_length=5)] = []
    same_as: Original | None = None
    place: Line = ""
    instead_of: Line = ""


class Notice(_Content):
    """A notice's draft."""

    text: Annotated[str, StringConstraints(max_length=250_000, pattern=r"\S")]
    severity: Line = ""
    kind: Line = ""
    component: Line = ""
    title: Line = ""
    source: Line = ""
    thread: Line = ""


class Event(_Content):
    """A calendar block's draft."""

    model_config = ConfigDict(extra="forbid")

    follow_up: Line = CALENDAR
    severity: Line = ""
    title: Said
    text: Text = ""
    start: Moment
    minutes: Annotated[int, Field(gt=0, le=LONGEST_EVENT)]
    attendees: Annotated[list[Address], Field(max_length=1_000)] = []


_CONTENTS: dict[Purpose, type[Ticket | Notice | Event]] = {
    Purpose.TICKETS: Ticket,
    Purpose.NOTICES: Notice,
    Purpose.EVENTS: Event,
}


class Malformed(ValueError):
    """A draft is not what it should be; `field` names where, and is empty for the whole."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem


def kind(content: object) -> object:
    """Which follow-up it is; one that does not say is a calendar block."""
    return content.get("follow_up", CALENDAR) if isinstance(content, dict) else CALENDAR


def read(purpose: Purpose, content: Json) -> Ticket | Notice | Event:
    """The content as a draft of its purpose; raises `Malformed`."""
    try:
        size = len(json.dumps(content, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed("", f"is not JSON: {error}"[:200]) from None
    if size > LARGEST:
        raise Malformed("", f"has {size} bytes, at most {LARGEST} are allowed")
    try:
        return _CONTENTS[purpose].model_validate(content)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Malformed(".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")) from None
