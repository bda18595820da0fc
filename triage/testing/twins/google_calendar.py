"""A stand-in for Google Calendar's events: ids of the client's choice that stay taken, and a token endpoint."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

TOKEN = "ya29.twin-token-of-the-calendar"  # noqa: S105 - opens nothing
ID = re.compile(r"[a-v0-9]{5,1024}")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
ZONE = timezone(timedelta(hours=2))
LONGEST_DESCRIPTION = 8_192


@dataclass(slots=True)
class Stored:
    """An event that was really made."""

    calendar: str
    fields: Json
    key: str
    made: float = field(default_factory=time.monotonic)


class GoogleCalendar(Twin):
    """Calendars by their id.

    `keeps_marker` off loses extended properties, `role` is what the caller may do, `mailed` lists whom an invitation
    went to, `tokens` are those that are accepted, `assertions` what was posted to get one, `lifetime` how long the
    answer says that it lives, `collides` off makes a second event for an id, as Google does not promise to notice.
    """

    def __init__(self, *calendars: str) -> None:
        """Empty calendars."""
        super().__init__()
        self.calendars = set(calendars)
        self.keeps_marker = self.collides = True
        self.role = "writer"
        self.lifetime = 3599
        self.page = 250
        self.tokens = {TOKEN}
        self.mailed: list[str] = []
        self.assertions: list[str] = []
        self.stored: list[Stored] = []
        self.route("POST", "/token", self._token)
        self.route("POST", "/calendars/(?P<calendar>[^/]+)/events", self._insert)
        self.route("GET", "/calendars/(?P<calendar>[^/]+)/events", self._list)
        self.route("GET", "/calendars/(?P<calendar>[^/]+)/events/(?P<id>[^/]+)", self._get)

    def answer(self, asked: Asked) -> Reply:
        """Everything but the token endpoint wants a token."""
        bearer = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if asked.path != "/token" and bearer not in self.tokens:
            return _error(HTTPStatus.UNAUTHORIZED, "authError", "Invalid Credentials")
        return super().answer(asked)

    def objects(self, key: str) -> list[str]:
        """See `Twin`; those that were deleted do not count."""
        alive = (one for one in self.stored if one.fields["status"] != "cancelled")
        return [str(one.fields["id"]) for one in alive if one.key == key]

    def delete(self, remote_id: str) -> None:
        """It stays as cancelled, without its times."""
        for one in self.stored:
            if one.fields["id"] == remote_id:
                kept = {name: one.fields[name] for name in ("extendedProperties",) if name in one.fields}
                one.fields = {**kept, "id": remote_id, "status": "cancelled"}

    def move(self, remote_id: str, start: str) -> None:
        """Give an event another start, as a person does."""
        for one in self.stored:
            if one.fields["id"] == remote_id:
                one.fields["start"] = {"dateTime": start}

    def _token(self, asked: Asked) -> Reply:
        self.assertions.append(asked.body.decode())
        token = f"{TOKEN}-{len(self.assertions)}"
        self.tokens.add(token)
        return Reply(value={"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"})

    def _insert(self, asked: Asked) -> Reply:
        calendar, fields = asked.parts["calendar"], asked.fields()
        if problem := self._problem(calendar, fields):
            return problem
        if self.collides and any(one.fields["id"] == fields["id"] for one in self._in(calendar)):
            return _error(HTTPStatus.CONFLICT, "duplicate", "The requested identifier already exists.")
        private = fields.get("extendedProperties", {}).get("private", {})
        if asked.query.get("sendUpdates") == "all":
            self.mailed += [one["email"] for one in fields.get("attendees", [])]
        times = {name: {"dateTime": _local(fields[name]["dateTime"])} for name in ("start", "end")}
        made = {**fields, **times, "status": "confirmed", "htmlLink": f"https://calendar.test/event?eid={fields['id']}"}
        if not self.keeps_marker:
            made.pop("extendedProperties", None)
        self.stored.append(Stored(calendar, made, str(private.get("triageRun", ""))))
        return Reply(value=made)

    def _problem(self, calendar: str, fields: Json) -> Reply | None:
        if calendar not in self.calendars:
            return _error(HTTPStatus.NOT_FOUND, "notFound", "Not Found")
        if self.role not in {"writer", "owner"}:
            return _error(HTTPStatus.FORBIDDEN, "requiredAccessLevel", "You need to have writer access.")
        people = [str(one.get("email")) for one in fields.get("attendees", [])]
        if not all(ADDRESS.fullmatch(one) for one in people):
            return _error(HTTPStatus.BAD_REQUEST, "invalid", "Invalid attendee email.")
        if not ID.fullmatch(str(fields.get("id"))) or len(str(fields.get("description"))) > LONGEST_DESCRIPTION:
            return _error(HTTPStatus.BAD_REQUEST, "invalid", "Invalid value")
        return None

    def _get(self, asked: Asked) -> Reply:
        found = next((one for one in self._in(asked.parts["calendar"]) if one.fields["id"] == asked.parts["id"]), None)
        return Reply(value=found.fields) if found else _error(HTTPStatus.NOT_FOUND, "notFound", "Not Found")

    def _list(self, asked: Asked) -> Reply:
        calendar = asked.parts["calendar"]
        if calendar not in self.calendars:
            return _error(HTTPStatus.NOT_FOUND, "notFound", "Not Found")
        shown = [one.fields for one in self._in(calendar) if _matches(one.fields, asked) and self.indexed(one.made)]
        start, page = int(asked.query.get("pageToken", 0)), min(self.page, int(asked.query.get("maxResults", 250)))
        more = {"nextPageToken": str(start + page)} if len(shown) > start + page else {}
        return Reply(value={"accessRole": self.role, "items": shown[start : start + page], **more})

    def _in(self, calendar: str) -> Iterable[Stored]:
        return (one for one in self.stored if one.calendar == calendar)


def _matches(fields: Json, asked: Asked) -> bool:
    name, _, value = asked.query.get("privateExtendedProperty", "").partition("=")
    private = fields.get("extendedProperties", {}).get("private", {})
    alive = fields["status"] != "cancelled" or "updatedMin" in asked.query
    return alive and (not name or private.get(name) == value)


def _local(text: str) -> str:
    """The same moment as the calendar's own zone writes it."""
    return datetime.fromisoformat(text).astimezone(ZONE).isoformat()


def _error(status: HTTPStatus, reason: str, message: str) -> Reply:
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return Reply(status, {"error": {"code": int(status), "message": message, "errors": errors}})
