"""CalDAV (RFC 4791): Nextcloud, Radicale, Fastmail, iCloud and others.

The name of the resource and its UID are made of the key, and `If-None-Match: *` lets the server take it only once. It
remembers nothing of what a person deleted: an event that is deleted between a lost answer and our next attempt is made
again. Servers are spoken to with a user name and a password (HTTP Basic); Digest is not.
"""

import base64
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Literal, Self
from urllib.parse import quote
from xml.etree import ElementTree as ET

from pydantic import Field, SecretStr, model_validator

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Request, Sent, ToolClass, ToolSpec
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, usable_link
from triage.tools.addresses import is_address
from triage.tools.calendars import ical
from triage.tools.calendars.event import (
    DELETED,
    UNMARKED,
    CalendarSettings,
    Event,
    checked,
    must,
    naming,
    random_key,
    without,
)
from triage.tools.connection import Headers
from triage.tools.settings import Url
from triage.tools.transport import Answer, Transport, failure

ICAL: Headers = [("Content-Type", "text/calendar; charset=utf-8"), ("If-None-Match", "*")]
XML: Headers = [("Content-Type", "application/xml; charset=utf-8")]
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
UID_TAKEN = b"no-uid-conflict"
DATA = "{urn:ietf:params:xml:ns:caldav}calendar-data"
IS_CALENDAR = re.compile(rb"<(?:[\w-]+:)?calendar(?:\s[^>]*)?/?>")
WRITES = re.compile(rb"<(?:[\w-]+:)?(?:all|write|write-content|bind)(?:\s[^>]*)?/?>")
WHAT_IT_IS = b"""<?xml version="1.0"?>
<propfind xmlns="DAV:"><prop><resourcetype/><current-user-privilege-set/></prop></propfind>"""
BY_UID = """<?xml version="1.0"?>
<calendar-query xmlns="urn:ietf:params:xml:ns:caldav"><D:prop xmlns:D="DAV:"><calendar-data/></D:prop>
<filter><comp-filter name="VCALENDAR"><comp-filter name="VEVENT"><prop-filter name="UID">
<text-match collation="i;octet">{uid}</text-match>
</prop-filter></comp-filter></comp-filter></filter></calendar-query>"""


class Settings(CalendarSettings):
    """A CalDAV server. Targets are the paths of calendars below `url`, such as `triage/bugs`."""

    kind: Literal["caldav"] = "caldav"
    url: Url
    user: str = Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f]+$")
    password: SecretStr = Field(description="shown nowhere")
    organizer: str = Field(default="", max_length=254, description="the calendar's own address, for invitations")

    @model_validator(mode="after")
    def _inviting(self) -> Self:
        if self.organizer and not is_address(self.organizer):
            raise ValueError("`organizer` is no address")
        if self.invite and not self.organizer:
            raise ValueError("invitations need an `organizer`")
        return self

    def open(self, name: str, transport: Transport) -> "CalDav":
        """The tool that is set so."""
        return CalDav(ToolSpec(name, ToolClass.KEYED, self.timeout), transport, self)


class CalDav(HttpAdapter):
    """A `Tool` that puts events into calendars; the object's id is the name of the resource."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._settings = settings
        pair = f"{settings.user}:{settings.password.get_secret_value()}".encode()
        self._login: Headers = [("Authorization", f"Basic {base64.b64encode(pair).decode()}")]

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - fixed
        """User name and password."""
        return self._login

    def render(self, request: Request) -> bytes:
        """The event as iCalendar text."""
        ours = self._settings
        event = Event.read(request.content)
        return ical.written(event, request.key, ours.reminder, organizer=ours.organizer, invite=ours.invite)

    def send(self, request: Request) -> Sent:
        """Put it once; see `ports.Tool`. If something is there already, it is looked at."""
        event = Event.read(request.content)
        event.check()
        taken = HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT
        with naming(request.target):
            url = self._url(request)
            answer = self.write("PUT", url, self.render(request), request.deadline, headers=ICAL, also=taken)
            if answer.status == HTTPStatus.PRECONDITION_FAILED:
                return self._named(request, url)
            if answer.status == HTTPStatus.CONFLICT:
                return self._elsewhere(request, answer)
            if answer.status not in {HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}:
                raise failure(answer)
        return self._sent(request, event.left_out)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare UID, times, title and attendees."""
        url = self._collection(request.target) + quote(sent.remote_id)
        answer = self.ask(url, request.deadline, also=GONE)
        if answer.status in GONE:
            return (DELETED,)
        there, event = ical.read(answer.body.decode("utf-8", "replace")), Event.read(request.content)
        must("VEVENT" in there.get("BEGIN", ()), "the event could not be read: the answer is none")
        if ical.uid(request.key) not in there.get("UID", ()):
            return (UNMARKED,)
        times = {"start": ("DTSTART", event.start), "end": ("DTEND", event.end)}
        odd = [
            f"the {word} is another" for word, (name, at) in times.items() if ical.moment(at) not in there.get(name, ())
        ]
        people = {value.lower().removeprefix("mailto:") for value in there.get("ATTENDEE", ())}
        return (*odd, *without(event.attendees, people))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether each set calendar is one, and may be written to by this user."""
        for target in self._settings.targets:
            mend = "set `url`, `user`, `password` and the calendar's path; the user needs the right to write there"
            yield checked(f"calendar {target}", lambda target=target: self._check(target, deadline), mend)  # type: ignore[misc]

    def _check(self, target: str, deadline: float) -> str:
        headers = [*XML, ("Depth", "0")]
        answer = self.ask(self._collection(target), deadline, method="PROPFIND", body=WHAT_IT_IS, headers=headers)
        must(IS_CALENDAR.search(answer.body), "there is something, but no calendar")
        told = b"current-user-privilege-set>" in answer.body
        must(not told or WRITES.search(answer.body), "this user has no right to write there")
        missing = self.ask(f"{self._collection(target)}{random_key()}.ics", deadline, also=GONE)
        must(missing.status in GONE, f"what does not exist is answered with {missing.status}")
        return "is a calendar, and what does not exist is not found"

    def _named(self, request: Request, url: str) -> Sent:
        """The server has a resource of this name; ours if the UID says so."""
        answer = self._again(url, request.deadline)
        if answer.status in GONE:
            return self._sent(request, (DELETED,))
        if ical.uid(request.key) not in ical.read(answer.body.decode("utf-8", "replace")).get("UID", ()):
            raise Refused("something else has the name that our event would get")
        return self._sent(request)

    def _elsewhere(self, request: Request, conflict: Answer) -> Sent:
        """The server has our UID under another name, after a person's program moved the event."""
        if UID_TAKEN not in conflict.body:
            raise Refused(f"{failure(conflict)}; is there such a calendar?")
        uid = ical.uid(request.key)
        answer = self._again(self._collection(request.target), request.deadline, BY_UID.format(uid=uid).encode())
        for href, text in _resources(answer):
            if uid in ical.read(text).get("UID", ()):
                name = href.rstrip("/").rpartition("/")[2]
                return Sent(name, usable_link(self._collection(request.target) + name))
        raise OutcomeUnknown("the server has our UID, and does not find it")

    def _again(self, url: str, deadline: float, report: bytes = b"") -> Answer:
        """A look at what an earlier attempt may have made: if it fails, that is still not known."""
        method, headers = ("REPORT", [*XML, ("Depth", "1")]) if report else ("GET", [])
        try:
            return self.ask(url, deadline, method=method, body=report, headers=headers, also=GONE)
        except NotSent as error:
            raise OutcomeUnknown(f"something is there, and could not be read: {error}") from error

    def _sent(self, request: Request, dropped: tuple[str, ...] = ()) -> Sent:
        return Sent(_name(request), usable_link(self._url(request)), dropped)

    def _url(self, request: Request) -> str:
        return self._collection(request.target) + _name(request)

    def _collection(self, target: str) -> str:
        if ".." in target.split("/"):
            raise Refused("a calendar's path cannot go upwards")
        return f"{self._settings.url}/{quote(target.strip('/'))}/"


def _name(request: Request) -> str:
    return f"{marker.short(request.key)}.ics"


def _resources(answer: Answer) -> Iterable[tuple[str, str]]:
    """The addresses and texts of a report; raises `OutcomeUnknown` if it is none."""
    try:
        # The answer's length is bounded, and expat stops entities that grow.
        tree = ET.fromstring(answer.body)  # noqa: S314
    except ET.ParseError:
        raise OutcomeUnknown(f"status {answer.status}, and no report") from None
    for response in tree.iter("{DAV:}response"):
        yield response.findtext("{DAV:}href", ""), next((data.text or "" for data in response.iter(DATA)), "")
