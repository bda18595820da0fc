"""Discord: a twin, once asked by its history alone, once trusted by its nonce alone."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.testing.twins import discord as twins
from triage.tools.notifiers import discord

TOKEN = "bot-secret-of-the-test"  # noqa: S105 - opens nothing
LIMITED = {"message": "You are being rate limited.", "retry_after": 7.0, "global": False}


class Subject(NoticeBase):
    """A bot that may read the history, where nonces are forgotten at once: nothing but the marker helps."""

    kind = "discord"
    target = "111"
    unknown_target = "404"
    limited = Answer(429, json.dumps(LIMITED).encode(), {"content-type": "application/json"})
    twin: twins.Discord

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Discord(TOKEN)
        self.twin.index_lag = 0.3
        self.twin.nonce_window = 0.0

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        usual = {"server": "1", "quarantine": timedelta(seconds=0.5), "url": self.proxy.url, "token": TOKEN}
        return discord.Settings(**{**self.common(), **usual, **changed}).open("notifier", self.transport)

    def drop_marker(self, on: bool) -> bool:
        """See `Subject`."""
        self.twin.drop_marker = on
        return True

    def arrived(self, remote_id: str) -> str:
        """See `Subject`."""
        return str(next(one for one in self.twin.messages if one.id == remote_id).fields["content"])


class WindowedSubject(Subject):
    """A bot that may not read it; within the window the nonce makes sending again safe."""

    can_delete = False
    impossible: ClassVar[dict[str, str]] = {**NO_FIELDS, "sweep": "the history cannot be read"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin.nonce_window = 120.0
        self.twin.may_read = False

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        return super().opened(**{"findable": False, **changed})

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002 - it cannot
        """See `Subject`."""
        return False
