"""Matrix: a real homeserver, and a twin for where that cannot be installed."""

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools import servers
from tests.tools.servers.synapse import Synapse, synapse
from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.testing.twins import matrix as twins
from triage.tools.notifiers import matrix

TOKEN = "syt_secret_of_the_test"  # noqa: S105 - opens nothing
LIMITED = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests", "retry_after_ms": 7_000}
KEPT = "a redacted event keeps its transaction id, so that a repeat leads to it; `dropped` says that it is gone"


class MatrixBase(NoticeBase):
    """What the twin's and the real server's subjects share."""

    kind = "matrix"
    can_delete = False
    limited = Answer(429, json.dumps(LIMITED).encode(), {"content-type": "application/json"})
    impossible: ClassVar[dict[str, str]] = {**NO_FIELDS, "deleted": KEPT}
    token = TOKEN

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        settings = matrix.Settings(**{**self.common(), "url": self.proxy.url, "token": self.token, **changed})
        return settings.open("notifier", self.transport)


class Subject(MatrixBase):
    """The twin."""

    target = "!bugs:triage.test"
    unknown_target = "!nowhere:triage.test"
    twin: twins.Matrix

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Matrix(TOKEN)


class RealSubject(MatrixBase):
    """Synapse."""

    against = "real server: Synapse"
    unknown_target = "!nowhere:triage.test"
    server: Synapse

    def __enter__(self) -> Self:
        servers.require("synapse")
        self.server = self._stack.enter_context(synapse())
        self.target, self.token = self.server.room, self.server.token
        return self.started(self.server.url)

    def objects(self, key: str) -> list[str]:
        """See `Subject`."""
        return [event["event_id"] for event in self.server.messages() if event["content"].get("triage.run") == key]

    def delete(self, remote_id: str) -> None:
        """See `Subject`."""
        self.server.delete(remote_id)

    def arrived(self, remote_id: str) -> str:
        """See `Subject`."""
        found = next(event for event in self.server.messages() if event["event_id"] == remote_id)
        return f"{found['content']['body']}\n{found['content']['formatted_body']}"
