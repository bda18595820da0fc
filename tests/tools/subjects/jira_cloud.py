"""Jira Cloud, and what it shares with Data Center: twins, since no real server can be had."""

import base64
import json
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools.scene import text_of
from tests.tools.subjects.twinned import COMMENT, commenting
from triage.model import Json
from triage.ports import Tool
from triage.testing.proxy import FaultProxy
from triage.testing.twins import jira as twins
from triage.tools.egress import Egress
from triage.tools.trackers import jira_cloud
from triage.tools.trackers.jira import Jira
from triage.tools.transport import Transport

TOKEN = "ATATT-secret-of-the-test"  # noqa: S105 - of no account
EMAIL = "triage@example.test"
PAIR = f"{EMAIL}:{TOKEN}".encode()
READS = ("/search", "/search/jql", "/bulkfetch")


def is_write(method: str, path: str, body: bytes) -> bool:  # noqa: ARG001 - others look at it
    """Jira's look-ups are POSTs too."""
    return method == "POST" and not path.endswith(READS)


class JiraBase:
    """What both editions need."""

    kind: str
    target = "OPS"
    unknown_target = "NOPE"
    twin: twins.Jira
    content: ClassVar[Json] = {
        "title": "Export crashes",
        "text": "On an empty list.",
        "labels": ["ui", "data loss"],
        "severity": "high",
        "component": "export",
        "origin": {"source": "crm", "source_id": "4711", "reporter": "Ann", "url": "https://crm.test/4711"},
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - a twin keeps nothing
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.twin.index_lag = 0.3
        self.twin.pace = 1_000.0
        self._stack.enter_context(self.twin)
        self.proxy = self._stack.enter_context(FaultProxy(self.twin.url, is_write=is_write))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> Any:
        """The tool in front of the proxy, with other settings."""
        raise NotImplementedError

    def shared(self) -> dict[str, Any]:
        """Settings of both editions."""
        times = {"timeout": timedelta(seconds=2), "quarantine": timedelta(seconds=0.5)}
        ours = {"components": True, "priorities": {"high": "High"}, "target": self.target}
        return {"url": self.proxy.url, **times, **ours}

    def imposter(self) -> Any:
        """With a token that nobody has."""
        return self.opened(token="made-up-token")  # noqa: S106 - opens nothing

    def objects(self, key: str) -> list[str]:
        """All that were made."""
        return self.twin.objects(key)

    def delete(self, remote_id: str) -> None:
        """As an administrator does."""
        self.twin.delete(remote_id)

    def drop_marker(self, on: bool) -> bool:
        """Labels and properties."""
        self.twin.drop_marker = on
        return True

    def invented(self) -> Json:
        """Jira makes labels as they come, and refuses components that it does not know."""
        return {**self.content, "component": "no-such-component"}


class Subject(JiraBase):
    """Jira Cloud."""

    kind = "jira-cloud"
    against = "twin"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.JiraCloud(f"Basic {base64.b64encode(PAIR).decode()}")

    def opened(self, **changed: Any) -> Jira:
        """With an API token."""
        settings = {**self.shared(), "email": EMAIL, "token": TOKEN, **changed}
        return jira_cloud.Settings.model_validate(settings).open("tracker", self.transport)


class CommentBase(JiraBase):
    """Comments on the first issue, which somebody made."""

    target = "OPS#OPS-1"
    unknown_target = "OPS#OPS-99"
    content: ClassVar[Json] = COMMENT
    impossible: ClassVar[dict[str, str]] = {"invented": "a comment has no labels"}

    def __enter__(self) -> Self:
        super().__enter__()
        self.twin.add("OPS")
        return self

    def shared(self) -> dict[str, Any]:
        """Settings of both editions."""
        return {**super().shared(), "target": "OPS"}

    def objects(self, key: str) -> list[str]:
        """All that are there."""
        return self.twin.comments.objects(key)

    def delete(self, remote_id: str) -> None:
        """As its author does."""
        self.twin.comments.delete(remote_id)

    def arrived(self, remote_id: str) -> str:
        """All texts of it."""
        return text_of(json.dumps(self.twin.comments.one(remote_id).kept).encode())


class CommentSubject(CommentBase):
    """Comments of Jira Cloud."""

    kind = "jira-cloud"
    against = "twin"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.JiraCloud(f"Basic {base64.b64encode(PAIR).decode()}")

    def opened(self, **changed: Any) -> Tool:
        """With an API token."""
        settings = {**self.shared(), "email": EMAIL, "token": TOKEN, **changed}
        return commenting(jira_cloud.Settings.model_validate(settings), self.transport)
