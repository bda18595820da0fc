"""CalDAV in front of a real Radicale."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import vobject

from tests.tools.servers import radicale
from triage.model import Json
from triage.testing.proxy import FaultProxy
from triage.tools.calendars import caldav
from triage.tools.egress import Egress
from triage.tools.transport import Transport

EVENT: Json = {
    "title": "Review of the export crash",
    "text": "It crashes; on an empty list, always.",
    "link": "https://tickets.test/1",
    "severity": "high",
    "start": "2031-03-30T10:00:00+02:00",
    "minutes": 45,
    "attendees": ["ann@triage.test", "bob@triage.test"],
}


class Subject:
    """A calendar of one user."""

    kind = "caldav"
    against = "real server: Radicale"
    target = f"{radicale.USER}/{radicale.CALENDAR}"
    unknown_target = f"{radicale.USER}/no-such-calendar"
    content: ClassVar[Json] = EVENT
    impossible: ClassVar[dict[str, str]] = {
        "deleted": "the server does not remember; see the adapter's docstring",
        "invented": "see test_caldav",
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(radicale.radicale())
        self.proxy = self._stack.enter_context(FaultProxy(self.server.url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> caldav.CalDav:
        """The tool in front of the proxy."""
        login = {"user": self.server.user, "password": self.server.password}
        ours = {"url": self.proxy.url, "target": self.target, "timeout": timedelta(seconds=2)}
        return caldav.Settings(**{**ours, **login, **changed}).open("calendar", self.transport)

    def objects(self, key: str) -> list[str]:
        """The names of the events with this key."""
        return [key[:32] for text in self.server.events() if vobject.readOne(text).vevent.uid.value == f"{key}@triage"]

    def delete(self, remote_id: str) -> None:
        """As a person does."""
        self.server.delete(remote_id)

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002
        """It keeps what it gets."""
        return False

    def invented(self) -> Json:
        """Somebody who has no address."""
        return {**self.content, "attendees": ["nobody"]}

    def imposter(self) -> caldav.CalDav:
        """With another password."""
        return self.opened(password="wrong-and-secret")  # noqa: S106

    def arrived(self, remote_id: str) -> str:
        """The raw text, and title and text as another library reads them."""
        text = (self.server.home / "data/collection-root" / self.target / remote_id).read_text()
        event = vobject.readOne(text).vevent
        people = "\n".join(one.value for one in event.contents.get("attendee", ()))
        return f"{text}\n{event.summary.value}\n{event.description.value}\n{people}"
