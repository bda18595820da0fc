"""A receiver of Standard Webhooks, for both ways to treat a lost answer."""

import base64
from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.twins import receiver as twins
from triage.tools.notifiers import standard_webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()


class Subject(NoticeBase):
    """A receiver whose owner decides what became of a lost answer."""

    kind = "standard-webhook"
    links = False
    can_delete = False
    impossible: ClassVar[dict[str, str]] = {
        **NO_FIELDS,
        "garbage": "any 2xx is a yes, whatever its body says",
        "oversized": "it takes any length",
        "hostile text": "it takes any text as JSON; what shows it must escape it",
        "wrong credentials": "the secret is only checked with a delivery",
    }
    twin: twins.Receiver

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Receiver(SECRET)

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        usual = {"url": f"{self.proxy.url}/hook", "secret": SECRET}
        settings = standard_webhook.Settings(**{**self.common(), **usual, **changed})
        return settings.open("notifier", self.transport)


class RepeatedSubject(Subject):
    """A receiver whose owner would rather get the same twice."""

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        return super().opened(**{"on_unknown": "resend", **changed})
