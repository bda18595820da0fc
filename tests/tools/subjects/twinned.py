"""What the trackers that stand before a twin have in common."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel

from triage.model import Json, Stage
from triage.ports import Tool
from triage.testing.proxy import FaultProxy
from triage.testing.proxy.book import is_write
from triage.testing.twins.issues import TOKEN
from triage.tools.egress import Egress
from triage.tools.trackers.comments import Comments
from triage.tools.transport import Transport

TICKET: Json = {
    "title": "Export crashes on an empty list",
    "text": "Open the list, delete everything, export.",
    "origin": {"source": "crm", "source_id": "4711", "reporter": "Ann", "url": "https://crm.test/4711"},
    "why": "it says crash",
    "kind": "crash",
    "severity": "high",
    "component": "export",
    "labels": ["ui", "bug"],
    "route": "#bugs",
    "related": [{"id": "12", "url": "https://crm.test/12", "title": "Export fails"}],
}

COMMENT: Json = {
    **TICKET,
    "same_as": {
        "run_id": "01890000-0000-7000-8000-000000000001",
        "tool": "tracker",
        "target": "a place",
        "ticket": "1",
        "url": "https://tracker.test/1",
        "title": "Export crashes",
        "why": "trace",
    },
    "place": "a place",
}
"""A comment's draft, where the texts differ."""


class Twinned:
    """A tracker, a proxy and a twin; each of them states its twin, its settings, and how its twin is told what."""

    against = "twin"
    target: str
    content: ClassVar[Json] = TICKET
    twin: Any
    settings: type[BaseModel]

    def __init__(self, _: Path) -> None:
        self._stack = ExitStack()

    @staticmethod
    def writes(method: str, path: str, body: bytes) -> bool:
        """Which requests change something."""
        return is_write(method, path, body)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.twin)
        self.proxy = self._stack.enter_context(FaultProxy(self.twin.url, self.writes))
        self._transport = Transport(egress=Egress(("127.0.0.1",)))
        self._stack.callback(self._transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **settings: Any) -> Tool:
        """The tool with other settings."""
        known = {"url": self.proxy.url, "token": TOKEN, "target": self.target, "timeout": 2, "quarantine": 0.2}
        made: Any = self.settings.model_validate(_told({**known, **settings}))
        return made.open(Stage.CREATE_TICKET, self._transport)

    def imposter(self) -> Tool:
        """With credentials that are not accepted."""
        return self.opened(token="not-the-token-at-all")  # noqa: S106 - opens nothing

    def objects(self, key: str) -> list[str]:
        """See `Subject`."""
        return list(self.twin.objects(key))

    def delete(self, remote_id: str) -> None:
        """See `Subject`."""
        self.twin.delete(remote_id)

    def drop_marker(self, on: bool) -> bool:
        """See `Subject`."""
        self.twin.keeps_marker = not on
        return True

    def invented(self) -> Json:
        """See `Subject`."""
        return {**TICKET, "labels": ["ui", "no-such-label"]}

    def arrived(self, remote_id: str) -> str:
        """What a reader sees."""
        issue = self.twin.issue(remote_id)
        return f"{issue.title}\n{issue.text}\n{' '.join(issue.labels)}" if issue else ""


class CommentTwinned(Twinned):
    """Its commenting tool, on an issue of somebody's."""

    impossible: ClassVar[dict[str, str]] = {"invented": "a comment has no labels"}
    content: ClassVar[Json] = COMMENT
    repository: str

    def opened(self, **settings: Any) -> Tool:
        """The tool with other settings."""
        known = {"url": self.proxy.url, "token": TOKEN, "target": self.repository, "timeout": 2, "quarantine": 0.2}
        made: Any = self.settings.model_validate(_told({**known, **settings}))
        return commenting(made, self._transport)

    def objects(self, key: str) -> list[str]:
        """See `Subject`."""
        return list(self.twin.comments_with(key))

    def arrived(self, remote_id: str) -> str:
        """What a reader sees."""
        return str(self.twin.comment_of(remote_id).text)


def commenting(settings: Any, transport: Transport) -> Tool:
    """The tool that comments beside the tracker that is set so."""
    tool = settings.commenting("comment", "tracker", transport)
    assert isinstance(tool, Comments)
    return tool


def _told(settings: Json) -> Json:
    return {name: value for name, value in settings.items() if value is not None}
