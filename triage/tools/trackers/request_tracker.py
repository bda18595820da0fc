"""Request Tracker 5 (REST 2.0): the marker is a custom field of tickets, looked for by TicketSQL in the database.

Class: findable; quarantine 30 seconds, since nothing is behind an index. The custom field is made by an administrator
(text, one value, applied to the queues that are used; our account may see and modify it) and named here.

What RT 5.0.3 does, and is minded here: a search by a custom field that it does not know finds nothing, so that "absent"
counts only if the field is there; a custom field, priority or owner that it does not know is left out of what is
created; merged tickets are hidden unless the search speaks of `EffectiveId`; subjects are cut to 200 bytes without a
word. What remains: a ticket that a person deleted (RT hides it from every search), hid from us, or stripped of its key
in the time between is taken for absent. No limits of calls are published.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal, Self
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr, model_validator

from triage.errors import NotSent, OutcomeUnknown
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.text.body import ticket_body, title
from triage.text.flavours import HTML
from triage.tools.adapter import HttpAdapter, compact, text_of, usable_id, usable_link
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, Url
from triage.tools.trackers import common
from triage.tools.trackers.answers import inner, inners, object_of, objects_of, texts
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.transport import Transport, excerpt

SUBJECT = 200
"""Bytes: the column `Tickets.Subject`."""
CONTENT = 200_000
"""Bytes. What an attachment may have is set by the owner (`MaxAttachmentSize`, 10 MB at first)."""
IN_BYTES = replace(HTML, unit="bytes")
SAME_KEY = 5
"""Tickets with one key that are looked at: one is ours, two are a broken promise."""
KEY = re.compile(r"[0-9a-f]{64}")
A_DAY = timedelta(days=1)
"""RT reads the times of a search in the time zone of our account."""


class Settings(FindableSettings):
    """A token, or an account's name and password."""

    kind: Literal["request-tracker"] = "request-tracker"
    url: Url = Field(description="of the installation, without /REST/2.0")
    token: SecretStr | None = Field(default=None, description="an authentication token, shown nowhere")
    user: str = Field(default="", description="the account, where there is no token")
    password: SecretStr | None = Field(default=None, description="shown nowhere")
    key_field: str = Field(
        default="run_key",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,99}$",
        description="the custom field that holds our key",
    )
    priorities: dict[str, str] = Field(default_factory=dict, description="their priority for each of our severities")
    quarantine: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(),
        le=timedelta(hours=1),
        description="how long after a call's deadline it may still be committed",
    )

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        if (self.token is None) == (self.password is None) or bool(self.user) != (self.password is not None):
            raise ValueError("set either `token`, or `user` and `password`")
        return self

    @property
    def authorization(self) -> str:
        """The header's value; raises InvalidSetting."""
        if self.token is not None:
            return f"token {common.checked_token(self.token.get_secret_value())}"
        password = self.password.get_secret_value() if self.password else ""
        return f"Basic {base64.b64encode(f'{self.user}:{password}'.encode()).decode()}"

    def open(self, name: str, transport: Transport) -> "RequestTracker":
        """The tool that is set so; raises InvalidSetting."""
        return RequestTracker(ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine), transport, self)


class RequestTracker(HttpAdapter):
    """A `Tool` that creates tickets; targets are names of queues, remote ids are ticket numbers."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport)
        self._settings = settings
        self._headers = [("Authorization", settings.authorization)]
        self._root = f"{settings.url}/REST/2.0"
        self._places = common.places(settings)

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - fixed ones
        """Token or password."""
        return self._headers

    def render(self, request: Request) -> bytes:
        """The ticket with its key; RT has no labels."""
        return compact(self._ticket(request))

    def send(self, request: Request) -> Sent:
        """Create the ticket; see `ports.Tool`. An unknown queue is a 403 that names it."""
        answer = self.write("POST", f"{self._root}/ticket", self.render(request), request.deadline)
        sent = self._sent(answer.fields())
        if sent is None:
            raise OutcomeUnknown(f"status {answer.status}, but the answer has no ticket's id")
        return sent

    def find(self, request: Request) -> Sent | None:
        """Look for the ticket by its key; see `ports.Tool`. "Absent" counts only if the custom field is there."""
        tickets = self._tickets(self._condition(request.key), request.deadline, SAME_KEY)
        hit = next((ticket for ticket in tickets if request.key in self._keys(ticket)), None)
        if tickets and hit is None:
            raise NotSent(f"{self.spec.name} found tickets that do not show our key")
        if hit is None:
            self._field(request.deadline)
        return None if hit is None else self._listed(hit)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare the key, the queue and the priority; labels are always left out."""
        url = f"{self._root}/ticket/{quote(sent.remote_id, safe='')}?{urlencode({'fields[Queue]': 'Name'})}"
        answer = self.ask(url, request.deadline, also=(HTTPStatus.NOT_FOUND,))
        ticket = object_of(answer)
        if (not answer.good and "message" in ticket) or ticket.get("Status") == "deleted":
            return (f"ticket {sent.remote_id} was deleted there",)
        if "id" not in ticket:
            raise NotSent(f"ticket {sent.remote_id} could not be read: status {answer.status}")
        unmarked = () if request.key in self._keys(ticket) else (common.UNMARKED,)
        labels = common.left_out(common.labels_of(request.content), ())
        return (*unmarked, *labels, *_differences(self._ticket(request), ticket))

    def values(self, deadline: float) -> LiveValues:
        """The queues that we see."""
        return LiveValues(targets=common.names(self._pages("queues/all", deadline, fields="Name"), "Name"))

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Tickets that have a key."""
        day = (since.astimezone(UTC) - A_DAY).strftime("%Y-%m-%d %H:%M:%S")
        query = f"CF.{{{self._settings.key_field}}} IS NOT NULL AND Created > '{day}' AND EffectiveId > 0"
        order = {"fields": "CustomFields", "orderby": "id", "order": "DESC"}
        for ticket in self._pages("tickets", deadline, query=query, **order):
            for key in filter(KEY.fullmatch, self._keys(ticket)):
                sent = self._listed(ticket)
                yield Marked(key, sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Credentials, the custom field, an honest "absent", and for each queue that the settings name the field."""
        yield checked("credentials", "set a valid token or password", partial(self._account, deadline))
        field = f"custom field {self._settings.key_field}"
        mend = f"make the {field} for tickets, and give our account the right SeeCustomField"
        yield checked("marker", mend, partial(self._field, deadline))
        yield checked("absence", mend, partial(self._absence, deadline))
        for place in self._places:
            mend = f"apply the {field} to the queue, and give our account the rights SeeQueue and CreateTicket"
            yield checked(f"marker in {place}", mend, partial(self._queue, place, deadline))

    def _ticket(self, request: Request) -> Json:
        content = request.content
        ticket: Json = {
            "Queue": request.target,
            "Subject": title(content, SUBJECT, IN_BYTES),
            "Content": ticket_body(content, IN_BYTES, CONTENT),
            "ContentType": "text/html",
            "CustomFields": {self._settings.key_field: request.key},
        }
        if priority := self._settings.priorities.get(text_of(content, "severity")):
            ticket["Priority"] = priority
        return ticket

    def _condition(self, key: str) -> str:
        """Speaking of `EffectiveId` lets a search see merged tickets too."""
        return f"CF.{{{self._settings.key_field}}} = '{key}' AND EffectiveId > 0"

    def _tickets(self, query: str, deadline: float, limit: int) -> list[Json]:
        asked = urlencode({"query": query, "fields": "CustomFields", "per_page": limit})
        return objects_of(self.ask(f"{self._root}/tickets?{asked}", deadline), "items")

    def _pages(self, path: str, deadline: float, **query: str) -> Iterator[Json]:
        def page(number: int) -> list[Json]:
            asked = urlencode({**query, "per_page": common.PAGE, "page": number})
            return objects_of(self.ask(f"{self._root}/{path}?{asked}", deadline), "items")

        return common.paged(page)

    def _keys(self, ticket: Json) -> list[str]:
        """What stands in our custom field."""
        fields = inners(ticket.get("CustomFields"))
        lists = (field.get("values") for field in fields if field.get("name") == self._settings.key_field)
        return [value for values in lists for value in texts(values)]

    def _sent(self, ticket: Json) -> Sent | None:
        number = usable_id(ticket.get("id"))
        link = f"{self._settings.url}/Ticket/Display.html?id={number}"
        return Sent(number, usable_link(link)) if number else None

    def _listed(self, ticket: Json) -> Sent:
        if (sent := self._sent(ticket)) is None:
            raise NotSent("the look-up failed: a ticket without an id")
        return sent

    def _account(self, deadline: float) -> str:
        version = object_of(self.ask(f"{self._root}/rt", deadline)).get("Version")
        if not isinstance(version, str):
            raise NotSent("this is no RT")
        return f"signed in; RT {excerpt(version.encode())}"

    def _field(self, deadline: float) -> str:
        """Whether searches know our custom field; raises `NotSent` if they do not."""
        asked = compact([{"field": "Name", "value": self._settings.key_field}]).decode()
        answer = self.ask(f"{self._root}/customfields?{urlencode({'query': asked})}", deadline)
        if not objects_of(answer, "items"):
            raise NotSent(f"{self.spec.name} knows no custom field {self._settings.key_field}, or hides it from us")
        return "the custom field is there"

    def _absence(self, deadline: float) -> str:
        if self._tickets(self._condition("0" * 64), deadline, 1):
            raise Amiss("tickets are found by a key that nobody has")
        return "a key that nobody has is not found"

    def _queue(self, place: str, deadline: float) -> str:
        queue = object_of(self.ask(f"{self._root}/queue/{quote(place, safe='')}", deadline))
        names = [field.get("name") for field in inners(queue.get("TicketCustomFields"))]
        if self._settings.key_field not in names:
            raise Amiss(f"tickets of the queue {place} have no custom field {self._settings.key_field}")
        return "new tickets take our key"


def _differences(wanted: Json, got: Json) -> Iterator[str]:
    """What of the wanted ticket is otherwise, in words."""
    queue = inner(got.get("Queue")).get("Name")
    if str(queue).casefold() != wanted["Queue"].casefold():
        yield f"it is not in the queue {wanted['Queue']!r}"
    if "Priority" in wanted and str(got.get("Priority")) != wanted["Priority"]:
        yield f"priority {wanted['Priority']!r} was left out"
