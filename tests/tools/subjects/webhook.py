"""The webhook that is configured freely, in front of the tool server: keyed, and findable."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from triage.model import Json, Stage, ToolClass
from triage.testing import ToolServer
from triage.testing.proxy import FaultProxy
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.tools.webhook import Settings

CHARACTERS = "it takes any length"


class _Webhook:
    kind = "webhook"
    against = "the tool server"
    target = "bugs"
    unknown_target = ""
    can_delete = False
    patience = 0.3
    tool_class: ToolClass
    content: ClassVar[Json] = {"title": "It crashes", "text": "On save.", "labels": ["ui"]}
    impossible: ClassVar[dict[str, str]] = {
        "oversized": CHARACTERS,
        "hostile text": "it takes any text as JSON; what shows it must escape it",
        "invented": "it takes any field",
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - keeps nothing
        self._stack = ExitStack()
        self._endpoint = f"{self.tool_class}/tickets"

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(ToolServer())
        self.proxy = self._stack.enter_context(FaultProxy(self.server.url))
        transport = Transport(egress=Egress(["127.0.0.1"]))
        self._stack.callback(transport.close)
        url = f"{self.proxy.url}/{self._endpoint}"
        find_url = url if self.tool_class is ToolClass.FINDABLE else None
        quarantine = timedelta(seconds=0.2)
        settings = Settings(
            url=url, find_url=find_url, tool_class=self.tool_class, timeout=timedelta(seconds=2), quarantine=quarantine
        )
        self.tool = settings.open(Stage.CREATE_TICKET, transport)
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def objects(self, key: str) -> list[str]:
        return [commit.id for commit in self.server.commits(self._endpoint) if commit.key == key]

    def delete(self, remote_id: str) -> None:
        raise AssertionError(f"{remote_id} cannot be deleted")

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - what others are asked
        return False

    def invented(self) -> Any:
        return {**self.content, "labels": ["no-such-label"]}


class KeyedSubject(_Webhook):
    """A webhook that keeps keys."""

    tool_class = ToolClass.KEYED


class FindableSubject(_Webhook):
    """A webhook that can be asked."""

    tool_class = ToolClass.FINDABLE


class BlindSubject(_Webhook):
    """A webhook that can neither."""

    tool_class = ToolClass.BLIND


class RepeatedSubject(_Webhook):
    """A webhook whose owner would rather get the same twice."""

    tool_class = ToolClass.REPEATED
