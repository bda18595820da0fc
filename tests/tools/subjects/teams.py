"""A Teams workflow's webhook: a twin, for both ways to treat a lost answer."""

from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.twins import teams as twins
from triage.tools.notifiers import teams


class Subject(NoticeBase):
    """A channel whose owner decides what became of a lost answer."""

    kind = "teams"
    links = False
    can_delete = False
    impossible: ClassVar[dict[str, str]] = {
        **NO_FIELDS,
        "wrong credentials": "the address is the credential, and only a message would tell whether it is right",
    }
    twin: twins.Teams

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Teams()

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        url = f"{self.proxy.url}/workflows/bugs"
        return teams.Settings(**{**self.common(), "url": url, **changed}).open("notifier", self.transport)


class RepeatedSubject(Subject):
    """A channel whose owner would rather get the same twice."""

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        return super().opened(**{"on_unknown": "resend", **changed})
