"""What the adapters share: how an answer is judged, and what a system without a look-up says."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from http import HTTPStatus

from triage.errors import NotSent
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolSpec
from triage.model.tickets import Page, Standing
from triage.tools.connection import Headers
from triage.tools.transport import SURELY_NOT_DONE, Answer, Transport, failure, retry_after

LONGEST_ID = 200
LONGEST_URL = 2_000
CLOCKS = timedelta(hours=1)
"""By how much the other system's clock may differ from ours, at most."""
JSON_BODY: Headers = [("Content-Type", "application/json")]


class Adapter:
    """Base of all tools: it knows nothing of the other system, and claims nothing."""

    def __init__(self, spec: ToolSpec) -> None:
        """Touches no network."""
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """Its name, class, times and limits."""
        return self._spec

    def find(self, request: Request) -> Sent | None:
        """Only findable tools are asked."""
        raise AssertionError(f"{self.spec.name} cannot be asked for {request.key}")

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - nothing can be read back
        """Nothing that we know of."""
        return ()

    def values(self, deadline: float) -> LiveValues:  # noqa: ARG002 - nothing can be asked
        """Nothing is known."""
        return LiveValues()

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:  # noqa: ARG002 - nothing can be asked
        """Nothing can be listed."""
        return ()

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:  # noqa: ARG002 - nothing can be asked
        """Nothing can be listed."""
        return Page()

    def preflight(self, deadline: float) -> Iterable[Finding]:  # noqa: ARG002 - nothing can be asked
        """Nothing can be checked."""
        return ()


class HttpAdapter(Adapter):
    """Base of the tools that speak HTTP: one request for each write, and one judgement of its answer."""

    def __init__(self, spec: ToolSpec, transport: Transport) -> None:
        """Touches no network."""
        super().__init__(spec)
        self._transport = transport

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - most systems take a fixed token
        """The headers that prove who we are; raises `NotSent` when they cannot be had now."""
        return []

    def limited(self, answer: Answer) -> bool:  # noqa: ARG002 - most systems say it by their status alone
        """Whether an answer says "too often" in this system's own way; 425 and 429 are known."""
        return False

    def wait(self, answer: Answer) -> timedelta | None:
        """The wait that an answer asks for, in this system's own way; `Retry-After` is known."""
        return retry_after(answer.headers)

    def write(
        self,
        method: str,
        url: str,
        body: bytes,
        deadline: float,
        *,
        headers: Headers = JSON_BODY,
        also: Iterable[int] = (),
    ) -> Answer:
        """Make the one request that changes something; a 2xx answer, or one with a status in `also`.

        Raises:
            NotSent: surely nothing was done, also because of a limit or of credentials that are not accepted (those are
                mended by people, and the run goes on then).
            OutcomeUnknown: it may or may not have been done.
            Refused: a definite no.
        """
        given = [*headers, *self.credentials(deadline)]
        answer = self._transport.exchange(method, url, body, given, deadline)
        if answer.good or answer.status in also:
            return answer
        if self.limited(answer) or answer.status in SURELY_NOT_DONE:
            raise NotSent(f"{self.spec.name} is called too often: {failure(answer)}", self.wait(answer))
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise NotSent(f"{self.spec.name} does not accept our credentials: {failure(answer)}")
        raise failure(answer)

    def ask(
        self,
        url: str,
        deadline: float,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Headers = (),
        also: Iterable[int] = (),
    ) -> Answer:
        """Make a request that changes nothing; a 2xx answer, or one with a status in `also`.

        All else is `NotSent`: nothing was learned.
        """
        given = [*(JSON_BODY if body and not headers else ()), *headers, *self.credentials(deadline)]
        answer = self._transport.look(method, url, body, given, deadline)
        if answer.good or answer.status in also:
            return answer
        raise NotSent(f"{self.spec.name}: the look-up failed: {failure(answer)}", self.wait(answer))


def compact(value: object) -> bytes:
    """Canonical JSON, so that the same value always makes the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def usable_id(value: object) -> str:
    """An object's id as text; empty if it is none that can be kept."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= LONGEST_ID and text.isprintable() else ""


def usable_link(url: object) -> str:
    """A link that a page may show: http or https, printable, of bounded length; else nothing."""
    usable = isinstance(url, str) and url.startswith(("http://", "https://")) and url.isprintable()
    return str(url) if usable and len(str(url)) <= LONGEST_URL else ""


def text_of(content: Json, name: str) -> str:
    """A text of a draft's content; empty if it is missing or none."""
    value = content.get(name)
    return value if isinstance(value, str) else ""
