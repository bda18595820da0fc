"""A stand-in for the calendars of Microsoft Graph: transaction ids, views of a slot in pages, a token endpoint."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

SECRET = "twin-secret-of-the-app"  # noqa: S105 - opens nothing
PROPERTY = "triage-run"
BASE = r"/users/(?P<mailbox>[^/]+)/calendar"


@dataclass(slots=True)
class Stored:
    """An event that was really made."""

    mailbox: str
    fields: Json
    key: str
    sent: Json
    made: float = field(default_factory=time.monotonic)
    deleted: bool = False

    @property
    def start(self) -> datetime:
        """In UTC, as all times here."""
        return datetime.fromisoformat(self.fields["start"]["dateTime"]).replace(tzinfo=UTC)


class MicrosoftGraph(Twin):
    """Mailboxes with one calendar each.

    `keeps_marker` off loses extended properties, `remembers` off forgets transaction ids at once, `can_edit` is what
    the app may do, `page` how many events a page has at most, `mailed` lists whom an invitation went to, `logins`
    counts tokens, `lifetime` is how long the answer says that one lives.
    """

    def __init__(self, *mailboxes: str) -> None:
        """Empty calendars."""
        super().__init__()
        self.mailboxes = set(mailboxes)
        self.keeps_marker = self.remembers = self.can_edit = True
        self.page = 1_000
        self.logins = 0
        self.lifetime = 3599
        self.tokens: set[str] = set()
        self.mailed: list[str] = []
        self.stored: list[Stored] = []
        self.route("POST", "/[^/]+/oauth2/v2.0/token", self._token)
        self.route("GET", BASE, self._calendar)
        self.route("POST", f"{BASE}/events", self._create)
        self.route("GET", f"{BASE}/events", self._list)
        self.route("GET", f"{BASE}/calendarView", self._view)
        self.route("GET", f"{BASE}/events/(?P<id>[^/]+)", self._get)

    def answer(self, asked: Asked) -> Reply:
        """Everything but the token endpoint wants a token, and a mailbox that exists."""
        if asked.path.endswith("/token"):
            return super().answer(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _error(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken", "Access token is empty or expired.")
        if asked.path.split("/")[2] not in self.mailboxes:
            return _error(HTTPStatus.NOT_FOUND, "ErrorInvalidUser", "The requested user is invalid.")
        return super().answer(asked)

    def objects(self, key: str) -> list[str]:
        """See `Twin`; those that were deleted do not count."""
        return [str(one.fields["id"]) for one in self.stored if one.key == key and not one.deleted]

    def delete(self, remote_id: str) -> None:
        """It cannot be read any more."""
        for one in self.stored:
            one.deleted |= one.fields["id"] == remote_id

    def move(self, remote_id: str, start: str) -> None:
        """Give an event another start, as a person does."""
        for one in self.stored:
            if one.fields["id"] == remote_id:
                one.fields["start"] = {"dateTime": start, "timeZone": "UTC"}

    def _token(self, asked: Asked) -> Reply:
        form = parse_qs(asked.body.decode())
        if form.get("client_secret") != [SECRET] or form.get("grant_type") != ["client_credentials"]:
            return Reply(HTTPStatus.UNAUTHORIZED, {"error": "invalid_client", "error_description": "AADSTS7000215"})
        self.logins += 1
        self.tokens.add(token := f"eyJ0.twin-{self.logins}")
        return Reply(value={"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"})

    def _calendar(self, _: Asked) -> Reply:
        return Reply(value={"id": "AAMk", "name": "Calendar", "canEdit": self.can_edit})

    def _create(self, asked: Asked) -> Reply:
        fields, mailbox = asked.fields(), asked.parts["mailbox"]
        if not isinstance(fields.get("start"), dict) or not self.can_edit:
            return _error(HTTPStatus.BAD_REQUEST, "ErrorPropertyValidationFailure", "At least one property failed.")
        before = next(
            (one for one in self.stored if one.sent.get("transactionId") == fields.get("transactionId")), None
        )
        if before is not None and self.remembers:
            if before.sent == fields and not before.deleted:
                return Reply(HTTPStatus.CREATED, _shown(before, asked))
            words = "Your request can't be completed. The TransactionId has already been used for a different event."
            return _error(HTTPStatus.CONFLICT, "ErrorDuplicateTransactionId", words)
        made = self._made(fields, mailbox)
        return Reply(HTTPStatus.CREATED, _shown(made, asked))

    def _made(self, fields: Json, mailbox: str) -> Stored:
        number = len(self.stored) + 1
        remote_id = f"AAMkAG{'I2' * 60}{number}="
        times = {
            name: {"dateTime": f"{fields[name]['dateTime']}.0000000", "timeZone": "UTC"} for name in ("start", "end")
        }
        made = {**fields, **times, "id": remote_id, "webLink": f"https://outlook.test/?itemid={number}"}
        key = next((str(one["value"]) for one in fields["singleValueExtendedProperties"] if PROPERTY in one["id"]), "")
        if not self.keeps_marker:
            made.pop("singleValueExtendedProperties")
        self.mailed += [one["emailAddress"]["address"] for one in fields.get("attendees", [])]
        self.stored.append(Stored(mailbox, made, key, fields))
        return self.stored[-1]

    def _get(self, asked: Asked) -> Reply:
        found = next((one for one in self._in(asked) if one.fields["id"] == asked.parts["id"]), None)
        if found is None:
            return _error(HTTPStatus.NOT_FOUND, "ErrorItemNotFound", "The specified object was not found in the store.")
        return Reply(value=_shown(found, asked))

    def _list(self, asked: Asked) -> Reply:
        return self._paged(asked, [one for one in self._in(asked) if self.indexed(one.made)])

    def _view(self, asked: Asked) -> Reply:
        try:
            start, end = (datetime.fromisoformat(asked.query[name]) for name in ("startDateTime", "endDateTime"))
        except (KeyError, ValueError):
            return _error(
                HTTPStatus.BAD_REQUEST, "ErrorInvalidParameter", "startDateTime and endDateTime are required."
            )
        return self._paged(
            asked, [one for one in self._in(asked) if start <= one.start < end and self.indexed(one.made)]
        )

    def _paged(self, asked: Asked, found: list[Stored]) -> Reply:
        skip, size = int(asked.query.get("$skip", 0)), min(self.page, int(asked.query.get("$top", 10)))
        value = [_shown(one, asked) for one in found[skip : skip + size]]
        query = urlencode({**asked.query, "$skip": skip + size})
        more = {"@odata.nextLink": f"https://graph.test{asked.path}?{query}"} if len(found) > skip + size else {}
        return Reply(value={"value": value, **more})

    def _in(self, asked: Asked) -> Iterable[Stored]:
        return (one for one in self.stored if one.mailbox == asked.parts["mailbox"] and not one.deleted)


def _shown(one: Stored, asked: Asked) -> Json:
    """Extended properties only if they are asked for, and of the others those that are selected."""
    selected = asked.query.get("$select", "")
    hidden = (
        set()
        if "singleValueExtendedProperties" in asked.query.get("$expand", "")
        else {"singleValueExtendedProperties"}
    )
    if selected:
        hidden |= set(one.fields) - {*selected.split(","), "singleValueExtendedProperties"}
    return {name: value for name, value in one.fields.items() if name not in hidden}


def _error(status: HTTPStatus, code: str, message: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message}})
