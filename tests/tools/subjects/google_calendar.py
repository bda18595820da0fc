"""Google Calendar in front of its twin."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools.subjects.caldav import EVENT
from triage.model import Json
from triage.testing.proxy import FaultProxy
from triage.testing.twins import google_calendar as twins
from triage.tools.calendars import google
from triage.tools.egress import Egress
from triage.tools.transport import Transport


class Subject:
    """One calendar, called with a fixed token."""

    kind = "google-calendar"
    against = "twin"
    target = "bugs@group.calendar.test"
    unknown_target = "nobody@group.calendar.test"
    content: ClassVar[Json] = EVENT

    def __init__(self, folder: Path) -> None:  # noqa: ARG002
        self._stack = ExitStack()
        self.twin = twins.GoogleCalendar(self.target)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.twin)
        self.proxy = self._stack.enter_context(FaultProxy(self.twin.url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened(token=twins.TOKEN)
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> google.Google:
        """The tool in front of the proxy."""
        ours = {"url": self.proxy.url, "target": self.target, "timeout": timedelta(seconds=2)}
        return google.Settings(**{**ours, **changed}).open("calendar", self.transport)

    def imposter(self) -> google.Google:
        """With a token that is not accepted."""
        return self.opened(token="not-the-token")  # noqa: S106

    def objects(self, key: str) -> list[str]:
        """Of the twin."""
        return self.twin.objects(key)

    def delete(self, remote_id: str) -> None:
        """As a person does."""
        self.twin.delete(remote_id)

    def drop_marker(self, on: bool) -> bool:
        """Extended properties get lost."""
        self.twin.keeps_marker = not on
        return True

    def invented(self) -> Json:
        """Somebody who has no address."""
        return {**self.content, "attendees": ["nobody"]}
