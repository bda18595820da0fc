"""What the calendars share: reading a draft, times, and the words of a refusal.

An event is a private hold: it blocks time, shows its details to nobody else, reminds once, and by default no invitation
is mailed to anybody.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import Field

from triage.errors import NotSent, Refused, ToolError
from triage.model import Finding, Json
from triage.text.body import address, ticket_body, title
from triage.text.flavours import PLAIN, Flavour
from triage.tools.adapter import text_of
from triage.tools.addresses import is_address
from triage.tools.settings import ToolSettings

LONGEST_TITLE = 200
LENGTH = timedelta(minutes=30)
"""Of an event that does not say how long it is."""
LONGEST = timedelta(days=7)
"""What is longer is cut; the guards refuse far less."""
NO_START = datetime(1970, 1, 1, tzinfo=UTC)
"""Rendered for an event without a usable start; it is refused before it is sent."""
LAST_START = NO_START.replace(year=9000)
UNMARKED = "the marker is missing: it cannot be found again"
DELETED = "the event was deleted there"


class CalendarSettings(ToolSettings):
    """What all calendars can be told. The target names the calendar."""

    reminder: timedelta = Field(
        default=timedelta(minutes=10), ge=timedelta(), le=timedelta(days=7), description="before the start; 0: none"
    )
    invite: bool = Field(default=False, description="mail an invitation to the attendees")

    @property
    def targets(self) -> tuple[str, ...]:
        """The calendars that are set."""
        return tuple(dict.fromkeys(target for target in (self.target, *self.routes.values()) if target))

    @property
    def reminder_minutes(self) -> int:
        """Whole minutes; 0 for none."""
        return int(self.reminder.total_seconds()) // 60


@dataclass(frozen=True, slots=True)
class Event:
    """A draft's content, made usable: times in UTC, addresses that are some, and those that are none."""

    content: Json
    start: datetime
    length: timedelta
    attendees: tuple[str, ...]
    left_out: tuple[str, ...]

    @classmethod
    def read(cls, content: Json) -> Self:
        """From a draft; never fails."""
        named = content.get("attendees")
        people = list(dict.fromkeys(str(one).strip() for one in named)) if isinstance(named, list) else []
        good = tuple(one for one in people if one.isascii() and is_address(one))
        odd = tuple(f"attendee {one[:100]!r} was left out: it is no address" for one in people if one not in good)
        return cls(content, _moment(content.get("start")), _length(content.get("minutes")), good, odd)

    @property
    def end(self) -> datetime:
        """When it ends, in UTC."""
        return self.start + self.length

    @property
    def title(self) -> str:
        """One line, never empty."""
        named = text_of(self.content, "title") or text_of(self.content, "text")
        return title({"title": named}, LONGEST_TITLE, PLAIN)

    def notes(self, flavour: Flavour, limit: int, *, with_attendees: bool) -> str:
        """The text below the title, with the ticket's link, and with who should come where they are no attendees."""
        link = text_of(self.content, "link")
        people = "For: " + ", ".join(self.attendees) if with_attendees and self.attendees else ""
        about = {name: text_of(self.content, name) for name in ("text", "severity", "kind", "component")}
        last = [part for part in (flavour.inline(people), address(link, flavour) if link else "") if part]
        return ticket_body(about, flavour, limit, flavour.newline.join(last))

    def check(self) -> None:
        """Raises `Refused` for an event that has no start."""
        if self.start == NO_START:
            raise Refused("the event has no start that can be read: it must be ISO 8601, with its offset from UTC")


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC, without fractions."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def same_moment(text: object, moment: datetime) -> bool:
    """Whether another system's words for a time mean this moment; without an offset they are in UTC."""
    try:
        given = datetime.fromisoformat(str(text))
    except ValueError:
        return False
    return (given if given.tzinfo else given.replace(tzinfo=UTC)) == moment


def without(attendees: tuple[str, ...], there: set[str]) -> tuple[str, ...]:
    """Which attendees another system left out, in words."""
    return tuple(f"attendee {one!r} was left out" for one in attendees if one.lower() not in there)


def random_key() -> str:
    """A key that nobody has used."""
    return secrets.token_hex(32)


@contextmanager
def naming(target: str) -> Iterator[None]:
    """Put the calendar's name before a refusal."""
    try:
        yield
    except Refused as error:
        raise Refused(f"calendar {target!r}: {error}") from error


def checked(part: str, check: Callable[[], str], mend: str) -> Finding:
    """What a check found; one that ends with a tool's error is not well, and `mend` says what to do."""
    try:
        return Finding(part, good=True, found=check())
    except ToolError as error:
        return Finding(part, good=False, found=str(error), mend=mend)


def must(condition: object, problem: str) -> None:
    """Raise `NotSent` with the problem unless the condition holds."""
    if not condition:
        raise NotSent(problem)


def _moment(value: object) -> datetime:
    try:
        given = datetime.fromisoformat(value) if isinstance(value, str) else NO_START
        moment = given.astimezone(UTC).replace(microsecond=0) if given.tzinfo else NO_START
    except (ValueError, OverflowError):
        return NO_START
    return moment if NO_START < moment < LAST_START else NO_START


def _length(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        return LENGTH
    return min(timedelta(minutes=int(min(value, LONGEST.total_seconds()))), LONGEST)
