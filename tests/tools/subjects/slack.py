"""Slack: a twin, once with the right to read the history and once without."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from tests.tools.scene import WORDS
from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.testing.twins import slack as twins
from triage.tools.notifiers import slack

TOKEN = "xoxb-secret-of-the-test"  # noqa: S105 - opens nothing


def says(error: str) -> Answer:
    """Slack's way to say no."""
    return Answer(200, json.dumps({"ok": False, "error": error}).encode(), {"content-type": "application/json"})


class Subject(NoticeBase):
    """An app that may read the history."""

    kind = "slack"
    target = "C0BUGS"
    unknown_target = "C0NOWHERE"
    denied = says("invalid_auth")
    refusals = (says(WORDS), Answer(403, WORDS.encode()))
    twin: twins.Slack

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Slack(TOKEN)
        self.twin.index_lag = 0.3

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        links = {"workspace": "https://acme.slack.com", "quarantine": timedelta(seconds=0.5)}
        settings = slack.Settings(**{**self.common(), **links, "url": self.proxy.url, "token": TOKEN, **changed})
        return settings.open("notifier", self.transport)

    def drop_marker(self, on: bool) -> bool:
        """See `Subject`."""
        self.twin.drop_marker = on
        return True

    def arrived(self, remote_id: str) -> str:
        """See `Subject`."""
        posted = (one for one in self.twin.messages if remote_id == f"{one.channel}:{one.ts}")
        return str(next(posted).fields["text"])


class BlindSubject(Subject):
    """An app that may not."""

    impossible: ClassVar[dict[str, str]] = {
        **NO_FIELDS,
        **dict.fromkeys(("sweep", "two with one key"), "the history cannot be read"),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin.scopes = {"chat:write", "channels:read"}

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        return super().opened(**{"findable": False, **changed})

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - it cannot
        """See `Subject`."""
        return False
