"""A real Redmine."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools import servers
from tests.tools.servers.redmine import redmine
from triage.model import Json
from triage.testing.proxy import FaultProxy
from triage.tools.egress import Egress
from triage.tools.trackers import redmine as adapter
from triage.tools.transport import Transport


class Subject:
    """The adapter in front of it; in the project `unmarked` Redmine leaves the marker out."""

    kind = "redmine"
    against = "real server: Redmine 5.0.4"
    unknown_target = "no-such-project"
    content: ClassVar[Json] = {
        "title": "Export crashes",
        "text": "On an empty list.",
        "severity": "high",
        "origin": {"source": "crm", "source_id": "4711", "reporter": "Ann", "url": "https://crm.test/4711"},
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - it has its own
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        servers.require("redmine")
        self.server = self._stack.enter_context(redmine())
        self.target = self.server.project
        self.proxy = self._stack.enter_context(FaultProxy(self.server.url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> adapter.Redmine:
        """The tool in front of the proxy, with other settings."""
        times = {"timeout": timedelta(seconds=2), "quarantine": timedelta(seconds=0.5)}
        ids = {"key_field": self.server.field_id, "tracker": 1, "priorities": {"high": 3}}
        known = {"url": self.proxy.url, "token": self.server.api_key, "target": self.server.project}
        return adapter.Settings.model_validate({**known, **times, **ids, **changed}).open("tracker", self.transport)

    def imposter(self) -> adapter.Redmine:
        """With a key that nobody has."""
        return self.opened(token="f" * 40)

    def objects(self, key: str) -> list[str]:
        """By their custom field."""
        return [str(number) for number in self.server.issues_with(key)]

    def delete(self, remote_id: str) -> None:
        """For good."""
        self.server.delete(int(remote_id))

    def drop_marker(self, on: bool) -> bool:
        """File where the custom field is not enabled."""
        self.target = self.server.unmarked if on else self.server.project
        return True

    def arrived(self, remote_id: str) -> str:
        """Subject and description."""
        issue = self.server.issue(int(remote_id))
        return f"{issue['subject']}\n{issue['description']}"

    def invented(self) -> Json:
        """Redmine has no labels."""
        return {**self.content, "labels": ["no-such-label"]}
