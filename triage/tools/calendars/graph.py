"""Microsoft 365 by Graph (v1.0), which knows a `transactionId` and does not say for how long.

So the event is looked for instead: in the slot where it was put, by our extended property. Only if a person moved it by
more than a day within the quarantine it is missed, and then Graph still refuses our transaction id a second time. Graph
mails an invitation to every attendee and cannot be told not to: without `invite` the people are named in the text.
Facts: "event resource type", "List calendarView", "Extended properties overview".
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, Marked, Rate, Request, Sent, ToolClass, ToolSpec
from triage.text.flavours import HTML
from triage.tools import marker
from triage.tools.adapter import compact
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
from triage.tools.calendars.tokens import TokenAdapter, Tokens, granted
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, Url
from triage.tools.transport import Answer, Transport, failure

API = "https://graph.microsoft.com/v1.0"
LOGIN = "https://login.microsoftonline.com"
RATE = Rate(10_000, timedelta(minutes=10))
"""For one app and mailbox."""
LONGEST_TEXT = 20_000
"""Characters; Graph takes far more, and gives all of it back in the answer."""
PROPERTY = "String {00020329-0000-0000-C000-000000000046} Name triage-run"
"""Among the names that all programs share; its value is the whole key."""
EXPAND = f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"
USED_UP = "ErrorDuplicateTransactionId"
AROUND = timedelta(days=1)
"""How far from its slot an event is looked for."""
PAGES, PAGE = 20, 100
UTC_TIMES: Headers = [("Prefer", 'outlook.timezone="UTC"')]


class Settings(CalendarSettings, FindableSettings):
    """An app with the permission Calendars.ReadWrite. Targets are `MAILBOX` or `MAILBOX/ID-OF-A-CALENDAR`."""

    kind: Literal["microsoft-graph"] = "microsoft-graph"
    url: Url = API
    login_url: Url = LOGIN
    tenant: str = Field(pattern=r"^[A-Za-z0-9.-]+$", max_length=200, description="the directory's id or domain")
    client_id: str = Field(min_length=1, max_length=200, description="the app's id")
    client_secret: SecretStr = Field(description="shown nowhere")

    def open(self, name: str, transport: Transport) -> "Graph":
        """The tool that is set so."""
        spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine, target_rate=RATE)
        parts = urlsplit(self.url)
        url = f"{self.login_url}/{self.tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
            "scope": f"{parts.scheme}://{parts.netloc}/.default",
        }
        return Graph(spec, transport, self, Tokens(lambda deadline: granted(transport, url, form, deadline)))


class Graph(TokenAdapter):
    """A `Tool` that makes events; the object's id is the event's."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings, tokens: Tokens) -> None:
        """Touches no network."""
        super().__init__(spec, transport, tokens)
        self._settings = settings

    def render(self, request: Request) -> bytes:
        """The event."""
        event, ours = Event.read(request.content), self._settings
        people = [{"emailAddress": {"address": one}, "type": "required"} for one in event.attendees]
        return compact(
            {
                "subject": event.title,
                "body": {
                    "contentType": "html",
                    "content": event.notes(HTML, LONGEST_TEXT, with_attendees=not ours.invite),
                },
                "start": {"dateTime": stamp(event.start)[:-1], "timeZone": "UTC"},
                "end": {"dateTime": stamp(event.end)[:-1], "timeZone": "UTC"},
                "sensitivity": "private",
                "showAs": "busy",
                "isReminderOn": bool(ours.reminder_minutes),
                "reminderMinutesBeforeStart": ours.reminder_minutes,
                "transactionId": marker.uuid4(request.key),
                "singleValueExtendedProperties": [{"id": PROPERTY, "value": request.key}],
                **({"attendees": people} if people and ours.invite else {}),
            }
        )

    def send(self, request: Request) -> Sent:
        """Make it once; see `ports.Tool`."""
        event = Event.read(request.content)
        event.check()
        refusals = HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT
        with naming(request.target):
            url = f"{self._calendar(request.target)}/events"
            answer = self.write("POST", url, self.render(request), request.deadline, also=refusals)
            if not answer.good:
                return self._existing(request, answer)
        return made(answer.fields(), "webLink", event.left_out)

    def find(self, request: Request) -> Sent | None:
        """Look through the calendar around the event's slot; see `ports.Tool`."""
        event = Event.read(request.content)
        query = {"startDateTime": stamp(event.start - AROUND), "endDateTime": stamp(event.end + AROUND)}
        for item in self._list(f"{self._calendar(request.target)}/calendarView", query, request.deadline):
            if request.key == _key(item) or marker.uuid4(request.key) == item.get("transactionId"):
                return listed(item, "webLink")
        return None

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare marker, times and attendees."""
        where = f"{self._calendar(request.target)}/events/{quote(sent.remote_id, safe='')}"
        url, deadline = f"{where}?{urlencode({'$expand': EXPAND})}", request.deadline
        answer = self.ask(url, deadline, headers=UTC_TIMES, also=(HTTPStatus.NOT_FOUND,))
        if answer.status == HTTPStatus.NOT_FOUND:
            return (DELETED,)
        fields, event = learned(answer), Event.read(request.content)
        must(fields.get("id") == sent.remote_id, "the event could not be read: the answer is none")
        times = (("start", event.start), ("end", event.end))
        odd = [f"the {name} is another" for name, at in times if not same_moment(part(fields, name, "dateTime"), at)]
        lost = [UNMARKED] if _key(fields) != request.key else []
        wanted = event.attendees if self._settings.invite else ()
        return (*lost, *odd, *without(wanted, addresses(fields, "emailAddress", "address")))

    def marked(self, since: datetime, deadline: float) -> Iterator[Marked]:
        """Our events in the set calendars that were made since then."""
        query = {"$filter": f"createdDateTime ge {stamp(since.astimezone(UTC))}"}
        for target in self._settings.targets:
            for item in self._list(f"{self._calendar(target)}/events", query, deadline):
                if key := _key(item):
                    sent = listed(item, "webLink")
                    yield Marked(key, sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether each set calendar can be written to, and a key that nobody has used is not found."""
        for target in self._settings.targets:
            mend = "check tenant, client_id, client_secret, the permission Calendars.ReadWrite, and the mailbox"
            yield checked(f"calendar {target}", lambda target=target: self._check(target, deadline), mend)  # type: ignore[misc]

    def _check(self, target: str, deadline: float) -> str:
        fields = learned(self.ask(self._calendar(target), deadline))
        must(fields.get("canEdit") is True, "it may be read only")
        start = datetime.now(UTC).isoformat()
        must(
            self.find(Request(random_key(), target, {"start": start}, deadline)) is None, "it finds what does not exist"
        )
        return f"{str(fields.get('name'))[:50]} can be written to, and what does not exist is not found"

    def _existing(self, request: Request, answer: Answer) -> Sent:
        """The event that used our transaction id before; any other refusal is one."""
        if USED_UP not in answer.body.decode("utf-8", "replace"):
            raise Refused(str(failure(answer)))
        try:
            found = self.find(request)
        except NotSent as error:
            raise OutcomeUnknown(f"our transaction id was used, and the event could not be found: {error}") from error
        if found is None:
            raise Refused("an event with our transaction id was made before, and was deleted or moved since")
        return found

    def _list(self, url: str, query: dict[str, str], deadline: float) -> Iterator[Json]:
        """All events of a list; raises `NotSent` rather than leave one out."""
        wanted = {"$top": str(PAGE), "$select": "id,transactionId,webLink", "$expand": EXPAND}
        page = urlencode({**query, **wanted})
        for _ in range(PAGES):
            fields = learned(self.ask(f"{url}?{page}", deadline))
            yield from items(fields, "value")
            if "@odata.nextLink" not in fields:
                return
            # Only its query is taken, so that no answer can send our token to another place.
            page = urlsplit(str(fields["@odata.nextLink"])).query
        raise NotSent(f"the calendar has more than {PAGES} pages of events there")

    def _calendar(self, target: str) -> str:
        mailbox, _, calendar = target.partition("/")
        which = f"calendars/{quote(calendar, safe='')}" if calendar else "calendar"
        return f"{self._settings.url}/users/{quote(mailbox, safe='@')}/{which}"


def _key(item: Json) -> str:
    properties = item.get("singleValueExtendedProperties")
    ours = [one for one in properties if part(one, "id") == PROPERTY] if isinstance(properties, list) else []
    return str(ours[0].get("value")) if ours else ""
