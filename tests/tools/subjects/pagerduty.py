"""PagerDuty's events API: a twin."""

from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.twins import pagerduty as twins
from triage.tools.notifiers import pagerduty

ROUTING_KEY = "0123456789abcdefrouting-key-32ch"


class Subject(NoticeBase):
    """One service's integration."""

    kind = "pagerduty"
    target = "oncall"
    links = False
    can_delete = False
    impossible: ClassVar[dict[str, str]] = {
        **NO_FIELDS,
        "render": "the integration key is a secret in the body, which `render` does not show",
    }
    twin: twins.PagerDuty

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.PagerDuty(ROUTING_KEY)

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        settings = pagerduty.Settings(**{**self.common(), "url": self.proxy.url, "token": ROUTING_KEY, **changed})
        return settings.open("notifier", self.transport)

    def imposter(self) -> Tool:
        """See `Subject`."""
        return self.opened(token="too-short")  # noqa: S106 - opens nothing
