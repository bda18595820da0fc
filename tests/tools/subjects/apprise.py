"""Apprise, sending JSON to a receiver: what it says of an answer is only yes or no."""

import importlib
import warnings
from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.notice import NO_FIELDS, NoticeBase
from triage.ports import Tool
from triage.testing.twins import receiver as twins
from triage.tools.notifiers import apprise

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its plugins import what Python 3.13 has no more
    importlib.import_module("apprise").Apprise.instantiate("json://localhost")

YES_OR_NO = "Apprise says only yes or no, and a no is an unknown outcome"
NO_READS = "Apprise cannot ask anything"


class Subject(NoticeBase):
    """A channel behind Apprise."""

    kind = "apprise"
    links = False
    can_delete = False
    impossible: ClassVar[dict[str, str]] = {
        **NO_FIELDS,
        **dict.fromkeys(("too often", "unauthorized", "refusals"), YES_OR_NO),
        **dict.fromkeys(("garbage", "huge"), "any 2xx is a yes, whatever its body says"),
        "render": "Apprise makes the body",
    }
    twin: twins.Receiver

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.Receiver()

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        url = f"{self.proxy.url.replace('http', 'json', 1)}/hook"
        usual = {"url": url, "unchecked_egress": True}
        return apprise.Settings(**{**self.common(), **usual, **changed}).open("notifier", self.transport)


class RepeatedSubject(Subject):
    """A channel whose owner would rather get the same twice."""

    def opened(self, **changed: Any) -> Tool:
        """See `NoticeBase`."""
        return super().opened(**{"on_unknown": "resend", **changed})
