"""Microsoft 365 in front of its twin."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools.subjects.caldav import EVENT
from triage.model import Json
from triage.testing.proxy import FaultProxy
from triage.testing.twins import microsoft_graph as twins
from triage.tools.calendars import graph
from triage.tools.egress import Egress
from triage.tools.transport import Transport


class Subject:
    """One mailbox, and an app with a secret; tokens come past the proxy."""

    kind = "microsoft-graph"
    against = "twin"
    target = "bugs@triage.test"
    unknown_target = "nobody@triage.test"
    content: ClassVar[Json] = EVENT
    impossible: ClassVar[dict[str, str]] = {"two with one key": "its transaction id keeps it from making two"}

    def __init__(self, folder: Path) -> None:  # noqa: ARG002
        self._stack = ExitStack()
        self.twin = twins.MicrosoftGraph(self.target)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.twin)
        self.proxy = self._stack.enter_context(FaultProxy(self.twin.url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> graph.Graph:
        """The tool in front of the proxy."""
        app = {"tenant": "triage.test", "client_id": "app", "client_secret": twins.SECRET, "login_url": self.twin.url}
        ours = {"url": self.proxy.url, "target": self.target, "timeout": timedelta(seconds=2)}
        quarantine = {"quarantine": timedelta(seconds=0.2)}
        return graph.Settings(**{**ours, **app, **quarantine, **changed}).open("calendar", self.transport)

    def imposter(self) -> graph.Graph:
        """With a secret that is not accepted."""
        return self.opened(client_secret="not-the-secret")  # noqa: S106

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
