"""A real Request Tracker."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools import servers
from tests.tools.servers.request_tracker import request_tracker
from triage.model import Json
from triage.testing.proxy import FaultProxy
from triage.tools.egress import Egress
from triage.tools.trackers import request_tracker as adapter
from triage.tools.transport import Transport


class Subject:
    """The adapter in front of it; in the queue `Unmarked` RT leaves the marker out."""

    kind = "request-tracker"
    against = "real server: RT 5.0.3"
    unknown_target = "No such queue"
    content: ClassVar[Json] = {
        "title": "Export crashes",
        "text": "On an empty list.",
        "severity": "high",
        "origin": {"source": "crm", "source_id": "4711", "reporter": "Ann", "url": "https://crm.test/4711"},
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - it has its own
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        servers.require("request_tracker")
        self.server = self._stack.enter_context(request_tracker())
        self.target = self.server.queue
        self.proxy = self._stack.enter_context(FaultProxy(self.server.url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> adapter.RequestTracker:
        """The tool in front of the proxy, with other settings."""
        times = {"timeout": timedelta(seconds=2), "quarantine": timedelta(seconds=0.5)}
        known = {"url": self.proxy.url, "user": self.server.user, "password": self.server.password}
        ours = {"target": self.server.queue, "priorities": {"high": "High"}}
        return adapter.Settings.model_validate({**known, **times, **ours, **changed}).open("tracker", self.transport)

    def imposter(self) -> adapter.RequestTracker:
        """With a password that is not the account's."""
        return self.opened(password="not-the-password")  # noqa: S106 - opens nothing

    def objects(self, key: str) -> list[str]:
        """By their custom field; RT does not find deleted ones."""
        return [str(number) for number in self.server.tickets_with(key)]

    def delete(self, remote_id: str) -> None:
        """By the status `deleted`."""
        self.server.delete(int(remote_id))

    def drop_marker(self, on: bool) -> bool:
        """File where the custom field is not applied."""
        self.target = self.server.unmarked if on else self.server.queue
        return True

    def invented(self) -> Json:
        """RT has no labels."""
        return {**self.content, "labels": ["no-such-label"]}
