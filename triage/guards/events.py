"""The bounds of calendar blocks; pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from triage.guards.drafts import Event
from triage.guards.policy import Events
from triage.guards.units import words


def problems(bounds: Events, event: Event, now: datetime) -> Iterator[tuple[str, str]]:
    """Each broken bound as its rule and why; whoever asks stops at the first.

    `now` is aware. The far future is refused before anything is reckoned with it, since calendars end in the year 9999.
    """
    length = timedelta(minutes=event.minutes)
    if length > bounds.longest:
        yield "events.longest", f"it lasts {words(length)}"
    yield from _attendees(bounds, event.attendees)
    if event.start < now:
        yield "events.start", "it begins in the past"
    if event.start > now + bounds.furthest:
        yield "events.furthest", f"it begins on {event.start.date()}"
    yield from _hours(bounds, event.start.astimezone(bounds.time_zone), length)


def _attendees(bounds: Events, attendees: list[str]) -> Iterator[tuple[str, str]]:
    if len(attendees) > bounds.most_attendees:
        yield "events.most_attendees", f"it has {len(attendees)} attendees"
    for address in attendees:
        domain = address.rpartition("@")[2].lower()
        if domain not in bounds.domains:
            yield "events.domains", f"an attendee is at {domain!r:.80}"


def _hours(bounds: Events, start: datetime, length: timedelta) -> Iterator[tuple[str, str]]:
    """`start` is in the policy's time zone. Lengths are real time, hours are what the clocks there show."""
    end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    if start.utcoffset() != end.utcoffset():
        yield "events.working_hours", "the clocks are changed while it lasts"
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    begins, ends = start.replace(tzinfo=None) - midnight, end.replace(tzinfo=None) - midnight
    if begins < bounds.working_hours.start or ends > bounds.working_hours.end:
        yield "events.working_hours", f"it lasts from {start:%H:%M} to {end:%H:%M} in {bounds.time_zone}"
    if start.weekday() not in bounds.weekdays:
        yield "events.working_days", f"it is on a {start:%A} in {bounds.time_zone}"
