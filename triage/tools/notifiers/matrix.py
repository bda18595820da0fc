"""Matrix by its client-server API: a message's transaction id is our key.

A repeat with the same transaction id returns the first event. It belongs to the room and the *device* of the token: a
token of another log-in is another device, to which the key is new. The specification names no time; Synapse forgets
transaction ids after 24 hours (`_cleanup_old_transaction_ids`), hence the window. Facts: spec.matrix.org v1.16,
"Client-server API", transaction identifiers, `m.room.message`, mentions.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from triage.errors import NotSent, OutcomeUnknown
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import HTML, PLAIN
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact, text_of, usable_id
from triage.tools.connection import Headers
from triage.tools.notifiers.notice import LONGEST_TEXT, checked, key_in, looked, naming, quoted, seconds_in
from triage.tools.settings import TokenSettings, Url
from triage.tools.transport import Answer, Transport, retry_after

FIELD = "triage.run"
"""Where the key stands in the event."""
PAGE = 100
PAGES = 50


class Settings(TokenSettings):
    """A Matrix account: `token` is its access token, targets are the ids of rooms that it has joined."""

    kind: Literal["matrix"] = "matrix"
    url: Annotated[Url, Field(description="the homeserver")]
    key_window: timedelta = Field(
        default=timedelta(hours=23),
        gt=timedelta(),
        description="how long the homeserver surely remembers a transaction id",
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        wrong = [target for target in self.targets if not target.startswith("!")]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no room's id: it starts with ! and is in the room's settings, Advanced")
        if self.timeout >= self.key_window:
            raise ValueError("`timeout` must be below `key_window`")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The rooms that are set."""
        return tuple(dict.fromkeys(target for target in (self.target, *self.routes.values()) if target))

    def open(self, name: str, transport: Transport) -> "Matrix":
        """The tool that is set so."""
        spec = ToolSpec(name, ToolClass.WINDOWED, self.timeout, key_window=self.key_window)
        return Matrix(spec, transport, self)


class Matrix(HttpAdapter):
    """A `Tool` that sends to rooms; the object's id is the event's."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._settings = settings

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The account's token."""
        return [("Authorization", f"Bearer {self._settings.token.get_secret_value()}")]

    def wait(self, answer: Answer) -> timedelta | None:
        """In milliseconds, from older servers only there; else in the header."""
        return seconds_in(answer, "retry_after_ms", timedelta(milliseconds=1)) or retry_after(answer.headers)

    def render(self, request: Request) -> bytes:
        """An `m.text`, as an `m.notice` would not notify anybody; it mentions nobody, and answers in the run's thread.

        Both texts together stay far below the 65,536 bytes of a whole event.
        """
        content = {
            "msgtype": "m.text",
            "body": notice_text(request.content, PLAIN, LONGEST_TEXT),
            "format": "org.matrix.custom.html",
            "formatted_body": notice_text(request.content, HTML, LONGEST_TEXT),
            "m.mentions": {},
            FIELD: request.key,
        }
        return compact({**content, **_thread(text_of(request.content, "thread"))})

    def send(self, request: Request) -> Sent:
        """Send once; see `ports.Tool`."""
        url = f"{self._room(request.target)}/send/m.room.message/{marker.prefixed(request.key)}"
        with naming(request.target):
            answer = self.write("PUT", url, self.render(request), request.deadline)
        return _sent(request.target, answer.fields())

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Whether the event is there, and with its content."""
        url = f"{self._room(request.target)}/event/{quote(sent.remote_id, safe='')}"
        answer = self.ask(url, request.deadline, also=[HTTPStatus.NOT_FOUND])
        if answer.status == HTTPStatus.NOT_FOUND:
            return ("the message was deleted there",)
        content = looked(answer).get("content")
        if not content:  # a redacted event keeps its id and loses its content
            return ("the message was deleted there",)
        return () if _key(content) == request.key else ("the marker is missing: it cannot be listed again",)

    def values(self, deadline: float) -> LiveValues:
        """The ids of the rooms that the account has joined."""
        rooms = looked(self.ask(f"{self._settings.url}/_matrix/client/v3/joined_rooms", deadline)).get("joined_rooms")
        if not isinstance(rooms, list):
            raise NotSent(f"{self.spec.name}: the look-up failed: the answer has no list of rooms")
        return LiveValues(targets=frozenset(room for room in rooms if isinstance(room, str)))

    def marked(self, since: datetime, deadline: float) -> Iterator[Marked]:
        """The marked events of the set rooms, else of all that the account has joined."""
        for room in self._settings.targets or sorted(self.values(deadline).targets or ()):
            for event in self._events(room, since, deadline):
                key, event_id = _key(event.get("content")), usable_id(event.get("event_id"))
                if key and event_id:
                    yield Marked(key, event_id, _link(room, event_id))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """The token, and whether the account is in each set room."""
        yield checked("credentials", partial(self._identity, deadline), "set an access token of the account")
        for room in self._settings.targets:
            yield checked(f"room {room}", partial(self._joined, room, deadline), "invite the account, and join with it")

    def _identity(self, deadline: float) -> str:
        fields = looked(self.ask(f"{self._settings.url}/_matrix/client/v3/account/whoami", deadline))
        return quoted(fields.get("user_id"))

    def _joined(self, room: str, deadline: float) -> str:
        if room not in (self.values(deadline).targets or ()):
            raise NotSent("the account has not joined it")
        return "the account has joined it"

    def _events(self, room: str, since: datetime, deadline: float) -> Iterator[Json]:
        """A room's messages since then, newest first; raises `NotSent` rather than leave one out."""
        oldest, start = int(since.timestamp() * 1_000), ""
        for _ in range(PAGES):
            page = looked(self.ask(f"{self._room(room)}/messages?dir=b&limit={PAGE}{start}", deadline))
            events = _events_of(page)
            yield from (event for event in events if _made(event) >= oldest)
            end = page.get("end")
            if not isinstance(end, str) or any(_made(event) < oldest for event in events):
                return
            start = f"&from={quote(end, safe='')}"
        raise NotSent(f"{self.spec.name}: room {room} has more than {PAGE * PAGES} events since then")

    def _room(self, room: str) -> str:
        return f"{self._settings.url}/_matrix/client/v3/rooms/{quote(room, safe='')}"


def _thread(event_id: str) -> Json:
    """What puts a message into the thread of that event."""
    if not event_id.startswith("$"):
        return {}
    answered = {"event_id": event_id}
    relation = {"rel_type": "m.thread", **answered, "is_falling_back": True, "m.in_reply_to": answered}
    return {"m.relates_to": relation}


def _sent(room: str, fields: Json) -> Sent:
    """Read the answer; raises `OutcomeUnknown` if it names no event."""
    event_id = usable_id(fields.get("event_id"))
    if not event_id.startswith("$"):
        raise OutcomeUnknown("the answer names no event")
    return Sent(event_id, _link(room, event_id))


def _link(room: str, event_id: str) -> str:
    return f"https://matrix.to/#/{quote(room, safe='')}/{quote(event_id, safe='')}"


def _events_of(page: Json) -> list[Json]:
    events: Any = page.get("chunk")
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise NotSent("the look-up failed: the answer has no list of events")
    return events


def _made(event: Json) -> int:
    """When its server says it was made, in milliseconds; one without a time counts as new."""
    made = event.get("origin_server_ts")
    return made if isinstance(made, int) else 1 << 62


def _key(content: object) -> str:
    """The key in an event's content; empty if there is none."""
    return key_in(content.get(FIELD)) if isinstance(content, dict) else ""
