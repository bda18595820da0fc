"""Google Calendar (API v3), where the id of an event is ours to choose, and stays taken after a deletion.

Google does not guarantee to see two inserts of one id that arrive at the same instant; the engine sends one at a time.
A service account may only name attendees if it was given domain-wide delegation and a `subject` to act for. Facts: the
discovery document of 30 October 2026, "Create events", "Handle API errors".
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr, model_validator

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, Marked, Rate, Request, Sent, ToolClass, ToolSpec
from triage.text.flavours import HTML
from triage.text.links import link
from triage.tools import marker
from triage.tools.adapter import compact, text_of, usable_link
from triage.tools.calendars.account import Account
from triage.tools.calendars.answers import addresses, items, learned, listed, made, part
from triage.tools.calendars.event import (
    DELETED,
    UNMARKED,
    CalendarSettings,
    Event,
    checked,
    must,
    naming,
    random_key,
    same_moment,
    stamp,
    without,
)
from triage.tools.calendars.tokens import TokenAdapter, Tokens, fixed, granted
from triage.tools.settings import Url
from triage.tools.transport import Answer, Transport

API = "https://www.googleapis.com/calendar/v3"
SCOPE = "https://www.googleapis.com/auth/calendar.events"
RATE = Rate(600, timedelta(minutes=1))
"""The default quota of a project for one user."""
LONGEST_TEXT = 8_000
"""Characters; of more than 8,192 Google says that the description is too long."""
MARK, OURS = "triageRun", "triage"
"""Private properties: the whole key, and a constant that lists can be filtered by."""
TOO_OFTEN = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}
WRITERS = {"owner", "writer"}
PAGES, PAGE = 20, 250
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class Settings(CalendarSettings):
    """Google Calendar: a service account's key, or a token that somebody else renews. Targets are ids of calendars."""

    kind: Literal["google-calendar"] = "google-calendar"
    url: Url = API
    token: SecretStr | None = Field(default=None, description="a fixed access token")
    service_account: SecretStr | None = Field(default=None, description="the whole JSON of a service account's key")
    subject: str = Field(default="", max_length=254, description="whom the service account acts for; none: itself")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.token is None) == (self.service_account is None):
            raise ValueError("set either `service_account` or `token`")
        return self

    def open(self, name: str, transport: Transport) -> "Google":
        """The tool that is set so; raises InvalidSetting for a key that is none."""
        if self.token is not None:
            tokens = fixed(self.token.get_secret_value())
        else:
            secret = self.service_account.get_secret_value() if self.service_account else ""
            tokens = _account_tokens(secret, self.subject, transport)
        return Google(ToolSpec(name, ToolClass.KEYED, self.timeout, rate=RATE), transport, self, tokens)


class Google(TokenAdapter):
    """A `Tool` that inserts events; the object's id is the event's."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings, tokens: Tokens) -> None:
        """Touches no network."""
        super().__init__(spec, transport, tokens)
        self._settings = settings

    def limited(self, answer: Answer) -> bool:
        """Google says it by a 403 with a reason."""
        return answer.status == HTTPStatus.FORBIDDEN and bool(TOO_OFTEN & _reasons(answer))

    def render(self, request: Request) -> bytes:
        """The event resource."""
        event, minutes = Event.read(request.content), self._settings.reminder_minutes
        ticket = link(text_of(request.content, "link"))
        return compact(
            {
                "id": marker.short(request.key),
                "summary": event.title,
                "description": event.notes(HTML, LONGEST_TEXT, with_attendees=False),
                "start": {"dateTime": stamp(event.start)},
                "end": {"dateTime": stamp(event.end)},
                "visibility": "private",
                "transparency": "opaque",
                "guestsCanInviteOthers": False,
                "reminders": {
                    "useDefault": False,
                    "overrides": [{"method": "popup", "minutes": minutes}] if minutes else [],
                },
                "extendedProperties": {"private": {MARK: request.key, OURS: "1"}},
                **({"attendees": [{"email": one} for one in event.attendees]} if event.attendees else {}),
                **({"source": {"title": ticket.host, "url": ticket.url}} if ticket else {}),
            }
        )

    def send(self, request: Request) -> Sent:
        """Insert it once; see `ports.Tool`. An id that is taken is looked at."""
        event = Event.read(request.content)
        event.check()
        url = f"{self._events(request.target)}?sendUpdates={'all' if self._settings.invite else 'none'}"
        with naming(request.target):
            answer = self.write("POST", url, self.render(request), request.deadline, also=(HTTPStatus.CONFLICT,))
            if answer.status == HTTPStatus.CONFLICT:
                return self._existing(request)
        return made(answer.fields(), "htmlLink", event.left_out)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare marker, times and attendees."""
        answer = self.ask(f"{self._events(request.target)}/{quote(sent.remote_id)}", request.deadline, also=GONE)
        if answer.status in GONE:
            return (DELETED,)
        fields, event = learned(answer), Event.read(request.content)
        must(fields.get("id") == sent.remote_id, "the event could not be read: the answer is none")
        if fields.get("status") == "cancelled":
            return (DELETED,)
        times = (("start", event.start), ("end", event.end))
        odd = [f"the {name} is another" for name, at in times if not same_moment(part(fields, name, "dateTime"), at)]
        lost = [UNMARKED] if _key(fields) != request.key else []
        return (*lost, *odd, *without(event.attendees, addresses(fields, "email")))

    def marked(self, since: datetime, deadline: float) -> Iterator[Marked]:
        """Our events in the set calendars that changed since then."""
        for target in self._settings.targets:
            query = {"privateExtendedProperty": f"{OURS}=1", "updatedMin": since.isoformat(), "maxResults": str(PAGE)}
            for item in self._list(target, query, deadline):
                # What was deleted since then is listed too, whatever is asked for.
                if (key := _key(item)) and item.get("status") != "cancelled":
                    sent = listed(item, "htmlLink")
                    yield Marked(key, sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether each set calendar can be written to, and an unused id is not there."""
        for target in self._settings.targets:
            mend = "check the credentials, and share the calendar with them: 'Make changes to events'"
            yield checked(f"calendar {target}", lambda target=target: self._check(target, deadline), mend)  # type: ignore[misc]

    def _check(self, target: str, deadline: float) -> str:
        fields = learned(self.ask(f"{self._events(target)}?maxResults=1&fields=accessRole", deadline))
        role = str(fields.get("accessRole"))
        must(role in WRITERS, f"it may be read only: our role is {role[:50]}")
        missing = self.ask(f"{self._events(target)}/{marker.short(random_key())}", deadline, also=GONE)
        must(missing.status in GONE, f"an id that does not exist is answered with {missing.status}")
        return f"our role is {role}, and what does not exist is not found"

    def _existing(self, request: Request) -> Sent:
        """The event that has our id; ours if it has our whole key, or is so deleted that only its id is left."""
        try:
            url = f"{self._events(request.target)}/{marker.short(request.key)}"
            answer = self.ask(url, request.deadline, also=(HTTPStatus.GONE,))
        except NotSent as error:
            raise OutcomeUnknown(f"the id is taken, and the event could not be read: {error}") from error
        if answer.status == HTTPStatus.GONE:
            return Sent(marker.short(request.key), "", (DELETED,))
        fields = answer.fields()
        if fields.get("status") == "cancelled":
            return Sent(marker.short(request.key), usable_link(fields.get("htmlLink")), (DELETED,))
        if _key(fields) != request.key:
            raise Refused("something else has the id that our event would get")
        return made(fields, "htmlLink")

    def _list(self, target: str, query: dict[str, str], deadline: float) -> Iterator[Json]:
        page: dict[str, str] = {}
        for _ in range(PAGES):
            fields = learned(self.ask(f"{self._events(target)}?{urlencode({**query, **page})}", deadline))
            yield from items(fields, "items")
            page = {"pageToken": str(fields["nextPageToken"])} if fields.get("nextPageToken") else {}
            if not page:
                return
        raise NotSent(f"the calendar {target} has more than {PAGES} pages of our events")

    def _events(self, target: str) -> str:
        return f"{self._settings.url}/calendars/{quote(target, safe='')}/events"


def _account_tokens(secret: str, subject: str, transport: Transport) -> Tokens:
    """Tokens for a service account; raises InvalidSetting."""
    account = Account.parse(secret)
    return Tokens(lambda deadline: granted(transport, account.url, account.form(SCOPE, subject), deadline))


def _key(fields: Json) -> str:
    key = part(fields, "extendedProperties", "private", MARK)
    return key if isinstance(key, str) else ""


def _reasons(answer: Answer) -> set[str]:
    try:
        errors = part(answer.fields(), "error", "errors")
    except OutcomeUnknown:
        return set()
    return {str(one.get("reason")) for one in errors if isinstance(one, dict)} if isinstance(errors, list) else set()
