"""PagerDuty by its Events API v2: an alert whose `dedup_key` is our key.

A repeat joins the alert while that is open. Once somebody, or the service's automatic resolution, has resolved it, the
same key opens a second one. So the key is trusted for `key_window` only: shorter than anybody takes to be paged, look,
and resolve. There is nothing to ask: the events API only takes. Facts: PagerDuty/developer-docs, `events-API-v2`.
"""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from triage.errors import NotSent, OutcomeUnknown, ToolError
from triage.model import Finding, Json, Rate, Request, Sent, Severity, ToolClass, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import PLAIN
from triage.text.neutral import line
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact, text_of
from triage.tools.notifiers.notice import answers, checked, link_of
from triage.tools.settings import TokenSettings, Url
from triage.tools.transport import Answer, Transport, failure

API = "https://events.pagerduty.com"
LONGEST_SUMMARY = 1_024
LONGEST_LINK = 2_000
LONGEST_WORD = 255
LENGTH_OF_KEY = 32
RATE = Rate(120, timedelta(minutes=1))
"""For each integration key."""
SECRET = "(the integration key)"  # noqa: S105 - what is shown instead of it
SEVERITIES = {
    Severity.CRITICAL.value: "critical",
    Severity.HIGH.value: "error",
    Severity.MEDIUM.value: "warning",
    Severity.LOW.value: "info",
}


class Settings(TokenSettings):
    """A service's integration: `token` is its integration key; `tokens` gives targets a service of their own."""

    kind: Literal["pagerduty"] = "pagerduty"
    url: Url = API
    tokens: Annotated[dict[str, SecretStr], Field(default_factory=dict, description="for targets with their own")]
    key_window: timedelta = Field(
        default=timedelta(minutes=15),
        gt=timedelta(),
        le=timedelta(hours=24),
        description="how long after the first call an alert is surely still open, so that a repeat joins it",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.timeout >= self.key_window:
            raise ValueError("`timeout` must be below `key_window`")
        return self

    def open(self, name: str, transport: Transport) -> "PagerDuty":
        """The tool that is set so."""
        spec = ToolSpec(name, ToolClass.WINDOWED, self.timeout, key_window=self.key_window, target_rate=RATE)
        return PagerDuty(spec, transport, self)


class PagerDuty(HttpAdapter):
    """A `Tool` that triggers alerts; the object's id is the `dedup_key`."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._settings = settings

    def render(self, request: Request) -> bytes:
        """The event, with words in the place of the integration key: that is a secret, and only `send` puts it in."""
        return compact(_event(request, SECRET))

    def send(self, request: Request) -> Sent:
        """Trigger once; see `ports.Tool`. Accepted is what the API says and all that can be known."""
        token = self._settings.tokens.get(request.target, self._settings.token)
        body = compact(_event(request, token.get_secret_value()))
        url, also = f"{self._settings.url}/v2/enqueue", (HTTPStatus.BAD_REQUEST,)
        answer = self.write("POST", url, body, request.deadline, also=also)
        if not answer.good:
            raise self._invalid(answer)
        fields = answer.fields()
        key = marker.prefixed(request.key)
        if fields.get("status") != "success" or fields.get("dedup_key") != key:
            raise OutcomeUnknown(f"{self.spec.name}: status {answer.status}, but the event is not confirmed")
        return Sent(key)

    def _invalid(self, answer: Answer) -> ToolError:
        """An integration key that is not known can be mended; an event that is not understood cannot."""
        if b"routing key" in answer.body.lower():
            return NotSent(f"{self.spec.name} does not accept our credentials: {failure(answer)}")
        return failure(answer)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether the address answers and the keys look like keys; that they are accepted only an alert would tell."""
        check = partial(answers, self._transport, f"{self._settings.url}/v2/enqueue", deadline)
        yield checked("address", check, "set `url` to your region's events API")
        for name, token in {"token": self._settings.token, **self._settings.tokens}.items():
            good = len(token.get_secret_value()) == LENGTH_OF_KEY
            found = "has the length of an integration key" if good else f"is not {LENGTH_OF_KEY} characters long"
            yield Finding(f"credentials {name}", good, found, "copy the key of an Events API v2 integration")


def _event(request: Request, token: str) -> Json:
    """The event's JSON; nobody reads markup in it."""
    content = request.content
    link = link_of(content)
    payload = {
        "summary": notice_text({**content, "link": ""}, PLAIN, LONGEST_SUMMARY) or "triage",
        "source": line(text_of(content, "source"), LONGEST_WORD) or "triage",
        "severity": SEVERITIES.get(text_of(content, "severity"), "warning"),
        "component": line(text_of(content, "component"), LONGEST_WORD),
        "class": line(text_of(content, "kind"), LONGEST_WORD),
        "custom_details": {"ticket": text_of(content, "link")[:LONGEST_LINK]},
    }
    return {
        "routing_key": token,
        "event_action": "trigger",
        "dedup_key": marker.prefixed(request.key),
        "payload": {name: value for name, value in payload.items() if value},
        "links": [{"href": link, "text": "the ticket"}] if link else [],
        "client": "triage",
    }
