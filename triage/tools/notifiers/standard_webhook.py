"""Any receiver of the Standard Webhooks specification (github.com/standard-webhooks/standard-webhooks).

Signed with a shared secret; `webhook-id` is the same for every call of one effect, so that a receiver can filter what
comes twice. Whether it does we cannot see: the class is what `on_unknown` makes of it. The body of an answer means
nothing, any 2xx is a yes, and 410 means that nothing is wanted any more.
"""

import binascii
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from standardwebhooks import Webhook

from triage.errors import InvalidSetting
from triage.model import Finding, Request, Sent, Stage, ToolSpec
from triage.tools import marker
from triage.tools.adapter import JSON_BODY, HttpAdapter
from triage.tools.connection import Address, Headers
from triage.tools.notifiers.notice import UnaskableSettings, answers, checked
from triage.tools.settings import Url
from triage.tools.transport import Transport

PREFIX = "whsec_"
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
"""Bytes, by the specification."""
TYPES = {Stage.CREATE_TICKET: "triage.ticket", Stage.NOTIFY: "triage.notice", Stage.FOLLOW_UP: "triage.follow_up"}


class Settings(UnaskableSettings):
    """A receiver; `urls` gives targets a receiver of their own."""

    kind: Literal["standard-webhook"] = "standard-webhook"
    url: Url
    urls: Annotated[dict[str, Url], Field(default_factory=dict, description="for targets with their own")]
    secret: Annotated[SecretStr, Field(description="whsec_ and 24 to 64 bytes in base64; shown nowhere")]

    def open(self, name: str, transport: Transport) -> "StandardWebhook":
        """The tool that is set so; raises InvalidSetting."""
        return StandardWebhook(ToolSpec(name, self.tool_class, self.timeout), transport, self)


class StandardWebhook(HttpAdapter):
    """A `Tool` that posts signed JSON; the object's id is the `webhook-id`."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting for an address or a secret that is none."""
        super().__init__(spec, transport)
        self._settings = settings
        self._signer = signer(spec.name, settings.secret.get_secret_value())
        for url in (settings.url, *settings.urls.values()):
            Address.parse(url)

    def render(self, request: Request) -> bytes:
        """The type and the data in ASCII, so that no receiver's idea of JSON or of Unicode can break the signature."""
        data = {**request.content, "key": request.key, "target": request.target}
        value = {"type": TYPES.get(request.stage, "triage.notice"), "data": data}
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    def send(self, request: Request) -> Sent:
        """Post once; see `ports.Tool`."""
        body = self.render(request)
        url = self._settings.urls.get(request.target, self._settings.url)
        headers = [*JSON_BODY, *signed(self._signer, marker.prefixed(request.key), body)]
        self.write("POST", url, body, request.deadline, headers=headers)
        return Sent(marker.prefixed(request.key))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Only whether the addresses answer: more would be a delivery."""
        for target, url in {"url": self._settings.url, **self._settings.urls}.items():
            check = partial(answers, self._transport, url, deadline)
            yield checked(f"address of {target}", check, "set the receiver's address")


def signed(by: Webhook, message: str, body: bytes) -> Headers:
    """The three headers of a message with this id, as of now."""
    now = datetime.now(UTC)
    signature = by.sign(message, now, body.decode())
    stamp = str(int(now.timestamp()))
    return [("webhook-id", message), ("webhook-timestamp", stamp), ("webhook-signature", signature)]


def signer(name: str, secret: str) -> Webhook:
    """What signs with a secret; raises InvalidSetting, with this name, for one that is none."""
    problem = f"{name}: the secret must be {PREFIX} and {SHORTEST_SECRET} to {LONGEST_SECRET} bytes in base64"
    try:
        raw = binascii.a2b_base64(secret.removeprefix(PREFIX).encode(), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise InvalidSetting(problem) from None
    if not secret.startswith(PREFIX) or not SHORTEST_SECRET <= len(raw) <= LONGEST_SECRET:
        raise InvalidSetting(problem)
    return Webhook(raw)
