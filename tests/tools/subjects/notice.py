"""What the subjects of the notifiers share: an ordinary notice, and a twin with the proxy before it."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from triage.model import Json
from triage.ports import Tool
from triage.testing.proxy import FaultProxy
from triage.testing.twins.base import Twin
from triage.tools.egress import Egress
from triage.tools.transport import Transport

NO_FIELDS = {"invented": "a message has no fields that could name what does not exist"}


class NoticeBase:
    """A notifier in front of a twin; `opened` makes the tool."""

    kind: str
    against = "twin"
    target = ""
    unknown_target = ""
    twin: Twin
    impossible: ClassVar[dict[str, str]] = NO_FIELDS
    content: ClassVar[Json] = {
        "title": "Export crashes on empty list",
        "text": "[high] bug: Export crashes on empty list",
        "link": "https://tracker.test/issues/4711",
        "severity": "high",
        "kind": "bug",
        "component": "export",
        "source": "crm",
        "thread": "",
    }

    def __init__(self, _: Path) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.twin)
        return self.started(self.twin.url)

    def started(self, url: str) -> Self:
        """With a proxy before the system at `url`, and the tool before that."""
        self.proxy = self._stack.enter_context(FaultProxy(url))
        self.transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(self.transport.close)
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def opened(self, **changed: Any) -> Tool:
        """The tool in front of the proxy, with other settings than usual."""
        raise NotImplementedError

    def common(self) -> dict[str, Any]:
        """Settings of all notifiers."""
        return {"timeout": timedelta(seconds=2), "target": self.target}

    def objects(self, key: str) -> list[str]:
        """See `Subject`."""
        return self.twin.objects(key)

    def delete(self, remote_id: str) -> None:
        """See `Subject`."""
        self.twin.delete(remote_id)

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - it cannot
        """See `Subject`."""
        return False

    def invented(self) -> Json:
        """See `Subject`."""
        return self.content
