"""Microsoft Teams by a workflow's webhook ("post to a channel when a webhook request is received").

It keeps no key, gives no id, and shows nothing afterwards: what became of a call whose answer was lost nobody can say.
A card's last line names the first digits of the key for the person who is asked. A workflow answers 202 with nothing;
a retired connector answers 200 with `1`, or with words about a delivery that failed. Facts: learn.microsoft.com, Teams
"Create an incoming webhook"; the address is a secret, as whoever has it may post.
"""

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Rate, Request, Sent, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import TEAMS
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact
from triage.tools.connection import Address
from triage.tools.notifiers.notice import LONGEST_TEXT, UnaskableSettings, answers, checked, link_of
from triage.tools.transport import Answer, Transport, excerpt

CARD = "application/vnd.microsoft.card.adaptive"
RATE = Rate(4, timedelta(seconds=1))
FAILED = re.compile(rb"(?i)failed|error")
STATUS = re.compile(rb"HTTP error (\d{3})")


class Settings(UnaskableSettings):
    """A channel's workflow; `urls` gives targets a channel of their own."""

    kind: Literal["teams"] = "teams"
    url: Annotated[SecretStr, Field(description="the workflow's address; shown nowhere")]
    urls: Annotated[dict[str, SecretStr], Field(default_factory=dict, description="for targets with their own")]

    def open(self, name: str, transport: Transport) -> "Teams":
        """The tool that is set so; raises InvalidSetting."""
        return Teams(ToolSpec(name, self.tool_class, self.timeout, target_rate=RATE), transport, self)


class Teams(HttpAdapter):
    """A `Tool` that posts Adaptive Cards; the object's id is ours, as Teams gives none."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting for an address that is none."""
        super().__init__(spec, transport)
        self._default = settings.url.get_secret_value()
        self._urls = {target: url.get_secret_value() for target, url in settings.urls.items()}
        for url in (self._default, *self._urls.values()):
            if not Address.parse(url).secure and not _local(url):
                raise InvalidSetting(f"{spec.name}: the workflow's address must be https, for it is a secret")

    def render(self, request: Request) -> bytes:
        """A message with one card, of at most 28 KB; a link becomes a button too."""
        link = link_of(request.content)
        small = {"size": "Small", "isSubtle": True, "wrap": True}
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {"type": "TextBlock", "text": notice_text(request.content, TEAMS, LONGEST_TEXT), "wrap": True},
                {"type": "TextBlock", "text": marker.label(request.key), **small},
            ],
            "actions": [{"type": "Action.OpenUrl", "title": "Open the ticket", "url": link}] if link else [],
        }
        return compact({"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]})

    def send(self, request: Request) -> Sent:
        """Post once; see `ports.Tool`."""
        url = self._urls.get(request.target, self._default)
        answer = self.write("POST", url, self.render(request), request.deadline)
        _check(self.spec.name, answer)
        return Sent(marker.prefixed(request.key))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Only whether the addresses answer: more would post a message."""
        for target, url in {"url": self._default, **self._urls}.items():
            mend = "copy the workflow's address again, and see that the workflow is switched on"
            yield checked(f"address of {target}", partial(answers, self._transport, url, deadline), mend)


def _check(name: str, answer: Answer) -> None:
    """Raise what a 2xx answer means that is no plain yes."""
    body = answer.body.strip()
    if answer.status == HTTPStatus.ACCEPTED or body in {b"", b"1"}:
        return
    words = f"{name}: status {answer.status}: {excerpt(body)}"
    inner = STATUS.search(body) if FAILED.search(body) else None
    status = int(inner[1]) if inner else 0
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise NotSent(words)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise Refused(words)
    raise OutcomeUnknown(words)


def _local(url: str) -> bool:
    return Address.parse(url).host in {"localhost", "127.0.0.1", "::1"}
