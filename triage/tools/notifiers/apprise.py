"""Any channel that Apprise knows (github.com/caronc/apprise); needs the extra `triage[apprise]`.

Apprise says only yes or no, gives no id, and a no may come after the message was taken: everything but a yes is an
unknown outcome. It opens its own connections: what the egress guard knows of addresses is not checked there, its
messages carry no key, and only the service it names decides what a text looks like. So `unchecked_egress` must be set.
It is called with one service that makes one transmission, no retries, no redirects and no more time than the call has;
a service that hangs on is left to a thread of Apprise, which ends with its own socket time-outs.
"""

import importlib
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from triage import clock
from triage.errors import InvalidSetting, OutcomeUnknown
from triage.model import Request, Sent, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import PLAIN
from triage.tools import marker
from triage.tools.adapter import Adapter
from triage.tools.notifiers.notice import UnaskableSettings
from triage.tools.transport import Transport

LONGEST_TEXT = 1_000
"""Characters; a service that takes less cuts."""
SHORTEST = 0.001
"""Seconds of a time-out: zero would mean none."""


class Settings(UnaskableSettings):
    """One Apprise address; `urls` gives targets an address of their own."""

    kind: Literal["apprise"] = "apprise"
    url: Annotated[SecretStr, Field(description="such as ntfys://host/topic; shown nowhere")]
    urls: Annotated[dict[str, SecretStr], Field(default_factory=dict, description="for targets with their own")]
    unchecked_egress: Annotated[
        bool, Field(description="must be true: Apprise's connections pass by the check of where calls may go")
    ] = False

    @model_validator(mode="after")
    def _known(self) -> Self:
        if not self.unchecked_egress:
            raise ValueError("`unchecked_egress` must be true: where Apprise connects to is not checked")
        return self

    def open(self, name: str, transport: Transport) -> "Apprise":
        """The tool that is set so; raises InvalidSetting."""
        return Apprise(ToolSpec(name, self.tool_class, self.timeout), transport, self)


class Apprise(Adapter):
    """A `Tool` that hands texts to Apprise; the object's id is ours."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting if Apprise is not installed or does not take an address."""
        super().__init__(spec)
        self._transport = transport
        self._library: Any = _library(spec.name)
        self._default = settings.url
        self._urls = settings.urls
        for url in (self._default, *self._urls.values()):
            self._service(url)

    def render(self, request: Request) -> bytes:
        """The text, with the first digits of the key for the person who is asked what became of it."""
        text = notice_text(request.content, PLAIN, LONGEST_TEXT)
        return f"{text}\n{marker.label(request.key)}".encode()

    def send(self, request: Request) -> Sent:
        """Notify once; see `ports.Tool`. It is never `Refused`, as Apprise does not tell a no from a lost answer."""
        left = max(request.deadline - clock.now(), SHORTEST)
        sender = self._library.Apprise()
        sender.add(self._service(self._urls.get(request.target, self._default), left))
        self._transport.about_to_send(request.deadline)
        try:
            good = bool(sender.notify(self.render(request).decode(), body_format="text", timeout=left))
        except Exception as error:  # noqa: BLE001 - any plugin's, and its words may quote the address
            raise OutcomeUnknown(f"{self.spec.name}: Apprise ended with {type(error).__name__}") from None
        if not good:
            raise OutcomeUnknown(f"{self.spec.name}: Apprise does not say that it was sent")
        return Sent(marker.prefixed(request.key))

    def _service(self, url: SecretStr, left: float = 1.0) -> Any:  # noqa: ANN401 - any plugin of Apprise
        """A service for one call of so many seconds; raises InvalidSetting."""
        asset = self._library.AppriseAsset(default_service_retry=0, storage_mode="memory")
        service = self._library.Apprise.instantiate(url.get_secret_value(), asset=asset, suppress_exceptions=True)
        if not service:
            raise InvalidSetting(f"{self.spec.name}: Apprise does not know this address")
        service.redirects = False
        service.overflow_mode = self._library.OverflowMode.TRUNCATE
        service.socket_connect_timeout = service.socket_read_timeout = left
        if len(service) != 1:
            raise InvalidSetting(f"{self.spec.name}: the address makes {len(service)} transmissions, it must be one")
        return service


def _library(name: str) -> Any:  # noqa: ANN401 - it is not typed
    try:
        return importlib.import_module("apprise")
    except ImportError:
        raise InvalidSetting(f"{name}: Apprise is not installed: pip install 'triage[apprise]'") from None
