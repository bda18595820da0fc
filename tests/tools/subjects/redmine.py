"""A real Redmine."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools import servers
from tests.tools.servers.redmine import redmine
from tests.tools.subjects.twinned import COMMENT, commenting
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

    def opened(self, **changed: Any) -> Any:
        """The tool in front of the proxy, with other settings."""
        times = {"timeout": timedelta(seconds=2), "quarantine": timedelta(seconds=0.5)}
        ids = {"key_field": self.server.field_id, "tracker": 1, "priorities": {"high": 3}}
        known = {"url": self.proxy.url, "token": self.server.api_key, "target": self.server.project}
        return adapter.Settings.model_validate({**known, **times, **ids, **changed}).open("tracker", self.transport)

    def imposter(self) -> Any:
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


class CommentSubject(Subject):
    """Notes on an issue that is there."""

    content: ClassVar[Json] = COMMENT
    impossible: ClassVar[dict[str, str]] = {"invented": "a note has no labels"}

    def __enter__(self) -> Self:
        super().__enter__()
        fields = {"project_id": self.server.project, "subject": "Export crashes"}
        self.issue = self.server.ask("POST", "/issues.json", {"issue": fields})["issue"]["id"]
        self.target, self.unknown_target = f"{self.server.project}#{self.issue}", f"{self.server.project}#9999"
        return self

    def opened(self, **changed: Any) -> Any:
        """The tool in front of the proxy, with other settings."""
        times = {"timeout": timedelta(seconds=2), "quarantine": timedelta(seconds=0.5)}
        known = {"url": self.proxy.url, "token": self.server.api_key, "key_field": self.server.field_id}
        return commenting(adapter.Settings.model_validate({**known, **times, **changed}), self.transport)

    def objects(self, key: str) -> list[str]:
        """By their last line."""
        return [str(one["id"]) for one in self._notes() if f"triage-run:v1:{key}" in one["notes"]]

    def delete(self, remote_id: str) -> None:
        """A note without text goes."""
        self.server.ask("PUT", f"/journals/{remote_id}.json", {"journal": {"notes": ""}})

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - a note is kept as it is
        """Redmine cannot."""
        return False

    def arrived(self, remote_id: str) -> str:
        """The note."""
        return next(one["notes"] for one in self._notes() if str(one["id"]) == remote_id)

    def _notes(self) -> list[dict[str, Any]]:
        return list(self.server.issue(self.issue)["journals"])
