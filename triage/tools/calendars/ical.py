"""One event as iCalendar text (RFC 5545), and the little that is read of it again.

By hand, as it is one fixed shape: a library would bring time zones, recurrence and its own ideas of defaults, and would
have to be told all that stands here too.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from triage.text.flavours import PLAIN
from triage.text.links import link
from triage.tools.adapter import text_of
from triage.tools.calendars.event import Event

LONGEST_TEXT = 20_000
LINE = 75
"""Octets; RFC 5545, 3.1."""
DOMAIN = "triage"
UNFOLD = re.compile(r"\r?\n[ \t]")
NEWLINE = re.compile(r"\r\n|\r|\n")
STAMP = "19700101T000000Z"
"""When the text was made, which must be given. It is only compared between invitations that were mailed; this one makes
the same bytes in every attempt and looks older than whatever people change later."""


def uid(key: str) -> str:
    """An event's UID, with the whole key."""
    return f"{key}@{DOMAIN}"


def written(event: Event, key: str, reminder: timedelta, *, organizer: str = "", invite: bool = False) -> bytes:
    """The event as a calendar of its own; lines are folded and end with CRLF."""
    lines = _lines(event, key, reminder, organizer=organizer, invite=invite)
    return b"".join(folded(line) + b"\r\n" for line in lines)


def read(text: str) -> dict[str, list[str]]:
    """The lines of a calendar by their name without parameters: the raw values, as they are escaped there."""
    found: dict[str, list[str]] = {}
    for line in NEWLINE.split(UNFOLD.sub("", text)):
        head, _, value = line.partition(":")
        found.setdefault(head.partition(";")[0].upper(), []).append(value)
    return found


def moment(of: datetime) -> str:
    """A time in UTC."""
    return of.strftime("%Y%m%dT%H%M%SZ")


def escaped(text: str) -> str:
    """A text as a value; no line can be ended by it."""
    for plain in "\\;,":
        text = text.replace(plain, f"\\{plain}")
    return NEWLINE.sub(r"\\n", text)


def folded(line: str) -> bytes:
    """The line, broken where it would be longer than 75 octets, never inside a character."""
    pieces = [b""]
    for char in line:
        octets = char.encode(errors="replace")
        if len(pieces[-1]) + len(octets) > LINE:
            pieces.append(b" ")
        pieces[-1] += octets
    return b"\r\n".join(pieces)


def _lines(event: Event, key: str, reminder: timedelta, *, organizer: str, invite: bool) -> Iterator[str]:
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//triage//EN", "BEGIN:VEVENT")
    yield f"UID:{uid(key)}"
    yield f"DTSTAMP:{STAMP}"
    yield f"DTSTART:{moment(event.start)}"
    yield f"DTEND:{moment(event.end)}"
    yield f"SUMMARY:{escaped(event.title)}"
    yield f"DESCRIPTION:{escaped(event.notes(PLAIN, LONGEST_TEXT, with_attendees=False))}"
    if ticket := link(text_of(event.content, "link")):
        yield f"URL:{ticket.url}"
    yield from ("CLASS:PRIVATE", "TRANSP:OPAQUE", "STATUS:CONFIRMED")
    if organizer:
        yield f"ORGANIZER:mailto:{organizer}"
    silent = "" if invite else ";SCHEDULE-AGENT=NONE"  # RFC 6638: then the server mails nothing
    yield from (f"ATTENDEE{silent}:mailto:{one}" for one in event.attendees)
    if reminder:
        minutes = int(reminder.total_seconds()) // 60
        yield from ("BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION:{escaped(event.title)}")
        yield from (f"TRIGGER:-PT{minutes}M", "END:VALARM")
    yield from ("END:VEVENT", "END:VCALENDAR")
