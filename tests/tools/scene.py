"""One adapter in front of one system: what a subject offers, and what a case does with it."""

import base64
import binascii
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import unquote_plus

from triage import clock
from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Json, Marked, Request, Sent, Stage, ToolClass
from triage.ports import Tool
from triage.testing import Fault
from triage.testing.proxy import Answer, Exchange, ProxyControls

PATIENCE = 10.0
"""Seconds that a call may take, far more than it needs."""
GRACE = 1.5
"""Seconds on top of a quarantine that are waited for an object."""
STEP = 0.05
Failure = TypeVar("Failure", bound=ToolError)
LEFT_ALONE = {ToolClass.FINDABLE, ToolClass.BLIND}
"""Classes whose calls are not sent again as long as the first may have been committed."""
KEPT_KEYS = {ToolClass.KEYED, ToolClass.WINDOWED}
CREDENTIALS = {"authorization", "private-token", "x-redmine-api-key", "x-api-key", "api-key"}
SHORTEST_SECRET = 6
WORDS = "not on my watch"


def says(status: int, headers: Mapping[str, str] | None = None, words: str = WORDS, *, commit: bool = False) -> Answer:
    """An answer of JSON with some words in it."""
    body = json.dumps({"message": words, "error": words}).encode()
    return Answer(status, body, {"content-type": "application/json", **(headers or {})}, commit=commit)


class NotPossible(Exception):
    """A case cannot be played there; the message says why."""


class Subject(Protocol):
    """An adapter, the system it speaks to, and what a person or a test can do there."""

    kind: str
    against: str
    tool: Tool
    proxy: ProxyControls
    target: str
    content: Json
    unknown_target: str

    def __init__(self, folder: Path) -> None:
        """Start nothing yet; `folder` is empty, and its own."""

    def __enter__(self) -> Self:
        """Start the system and what stands before it."""

    def __exit__(self, *problem: object) -> None:
        """Stop them."""

    def objects(self, key: str) -> list[str]:
        """The ids of what really exists there with this key."""

    def delete(self, remote_id: str) -> None:
        """As a person does."""

    def drop_marker(self, on: bool) -> bool:
        """Let the system leave out the marker silently; False if it cannot."""

    def invented(self) -> Json:
        """A draft with labels or values that do not exist there."""


class Traits:
    """What a subject may define where its system differs from most.

    It may also have `arrived(remote_id) -> str`, the text that a reader sees there, and `imposter() -> Tool`, the same
    tool with credentials that are not accepted.
    """

    can_delete: bool = True
    http: bool = True
    """Whether it speaks HTTP, so that answers can be scripted, and not only kinds of faults; else a refusal may come
    before the write."""
    links: bool = True
    """Whether a made object has a link for people."""
    patience: float = 0.6
    """Seconds until a call to a system that hangs is given up."""
    impossible: Mapping[str, str] = {}
    """Cases that cannot be played there, and why."""
    limited: Answer = says(429, {"retry-after": "7"})
    """How it says "too often"; wait 7 s."""
    denied: Answer = says(401)
    """How it says that the credentials are not accepted."""
    refusals: tuple[Answer, ...] = (says(403), says(404), says(422))
    unavailable: type[ToolError] = OutcomeUnknown
    """What a 503 with a Retry-After means there."""
    dangers: tuple[str, ...] = ()
    """Regular expressions that must not be found in what arrived of a hostile text, beside those of `hostile`."""


@dataclass(frozen=True)
class Scene:
    """A case at work: a fresh key, and counting of what it sends."""

    subject: Subject
    key: str
    ended: list[float] = field(default_factory=list, compare=False)
    """When each call of `send` ended, in seconds of `clock.now()`."""
    stand_in: Tool | None = None
    """Plays instead of the subject's adapter."""

    @classmethod
    def open(cls, subject: Subject) -> Self:
        """Make the proxy forget what was before."""
        subject.proxy.reset()
        return cls(subject, fresh_key())

    @property
    def tool(self) -> Tool:
        """The adapter."""
        return self.stand_in or self.subject.tool

    @property
    def kind(self) -> ToolClass:
        """Its class."""
        return self.tool.spec.tool_class

    @property
    def quarantine(self) -> timedelta:
        """How long the other system may lag."""
        return self.tool.spec.quarantine

    def trait(self, name: str) -> Any:
        """What the subject says of itself, or what most systems do."""
        return getattr(self.subject, name, getattr(Traits, name, None))

    def request(self, content: Json | None = None, **changes: Any) -> Request:
        """A call with this scene's key."""
        content = self.subject.content if content is None else content
        made = Request(self.key, self.subject.target, content, 0.0, stage=_stage(content))
        return renewed(replace(made, **changes))

    def hasty(self) -> Request:
        """A call that is given up soon."""
        return renewed(self.request(), float(self.trait("patience")))

    def send(self, request: Request, *, at_most: bool = False) -> Sent:
        """Send, by exactly one write (or with `at_most` perhaps by none); errors are checked for secrets."""
        before = self.subject.proxy.writes
        try:
            sent = self._sent(request)
        except ToolError as error:
            self._discreet(error)
            self._counted(before, at_most, error)
            raise
        self._counted(before, at_most, sent)
        return sent

    def _sent(self, request: Request) -> Sent:
        try:
            return self.tool.send(request)
        finally:
            self.ended.append(clock.now())

    def fails(self, request: Request, error: type[Failure], *, at_most: bool = False) -> Failure:
        """Send what must end with exactly this kind of error; the error."""
        caught = self.outcome(request, at_most=at_most)
        assert type(caught) is error, f"{error.__name__} was expected, not {type(caught).__name__}: {caught}"
        return caught

    def outcome(self, request: Request, *, at_most: bool = False) -> Sent | ToolError:
        """Send; what came of it."""
        try:
            return self.send(request, at_most=at_most)
        except ToolError as error:
            return error

    def steps(self, *faults: str | Fault, answers: Iterable[Answer] = ()) -> list[str | Fault | Answer]:
        """These faults, and the answers where they mean something."""
        return [*faults, *(answers if self.trait("http") else ())]

    def broken(self, *steps: Any) -> None:
        """Let the next writes meet these."""
        self.subject.proxy.script(*steps)

    def objects(self) -> list[str]:
        """What really exists there with this scene's key."""
        return self.subject.objects(self.key)

    def holds(self, count: int, seconds: float = 1.0) -> None:
        """Assert that so many objects exist there, now or within some seconds, and no more."""
        wait(lambda: len(self.objects()) >= count, seconds)
        assert len(self.objects()) == count, f"{count} objects were expected there, not {self.objects()}"

    def found(self, request: Request) -> Sent | None:
        """What the look-up says at last within the quarantine; raises `NotSent` if it never could say anything."""
        ends = time.monotonic() + self.quarantine.total_seconds() + GRACE
        while time.monotonic() < ends:
            with suppress(NotSent):
                if sent := self.tool.find(renewed(request)):
                    return sent
            time.sleep(STEP)
        return self.tool.find(renewed(request))

    def recovered(self, request: Request) -> Sent | None:
        """What the recipe of the tool's class makes of an unknown outcome; None where a person decides."""
        if self.kind is ToolClass.FINDABLE:
            return self.found(request)
        return None if self.kind is ToolClass.BLIND else self.send(renewed(request))

    def once(self, request: Request, *, committed: bool = True) -> None:
        """Recover from an unknown outcome; then as many objects exist as the class promises."""
        sent = self.recovered(request)
        if self.kind not in LEFT_ALONE or (committed and self.kind is not ToolClass.BLIND):
            assert sent is not None and sent.remote_id, "the recipe of its class did not lead to the object"
        again = self.kind is ToolClass.REPEATED or (self.kind in KEPT_KEYS and not committed)
        self.holds(committed + again)

    def marked(self) -> list[Marked]:
        """What the sweep lists with this scene's key."""
        since = datetime.now(UTC) - timedelta(hours=1)
        return [hit for hit in self.tool.marked(since, clock.now() + PATIENCE) if hit.key == self.key]

    def writes(self) -> list[Exchange]:
        """The writes that the proxy has seen."""
        return [exchange for exchange in self.subject.proxy.requests if exchange.write]

    def arrived(self, sent: Sent) -> str:
        """The text that came in there: as it is read there if the subject can tell, else as it was sent."""
        read: Callable[[str], str] | None = getattr(self.subject, "arrived", None)
        return read(sent.remote_id) if read else text_of(self.writes()[-1].body)

    def _counted(self, before: int, at_most: bool, outcome: object) -> None:
        made = self.subject.proxy.writes - before
        at_most |= not self.trait("http") and isinstance(outcome, NotSent | Refused)
        assert made == 1 or (at_most and made == 0), f"one send made {made} writes and ended as {outcome!r}"

    def _discreet(self, error: ToolError) -> None:
        told = f"{error} {error!r}"
        assert not [secret for secret in self.secrets() if secret in told], "an error tells a secret"

    def secrets(self) -> set[str]:
        """Every credential that the proxy has seen."""
        seen = (exchange.headers.items() for exchange in self.subject.proxy.requests)
        values = (value for headers in seen for name, value in headers if name in CREDENTIALS)
        said = {secret for value in values for secret in _parts(value) if len(secret) >= SHORTEST_SECRET}
        return said | {secret for each in self.writes() for secret in _hidden(each) if self.key[:32] not in secret}


def fresh_key() -> str:
    """A key that nobody has used."""
    return sha256(secrets.token_bytes()).hexdigest()


def renewed(request: Request, seconds: float = PATIENCE) -> Request:
    """The same call with a new deadline."""
    return replace(request, deadline=clock.now() + seconds)


def wait(condition: Callable[[], object], seconds: float) -> bool:
    """Whether it becomes true within some seconds."""
    ends = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < ends:
        time.sleep(STEP)
    return bool(true)


def nothing_learned(ask: Callable[[], object]) -> bool:
    """Whether a look-up ends with `NotSent`."""
    try:
        result = ask()
        if isinstance(result, Iterator):
            list(result)
    except NotSent:
        return True
    return False


def text_of(body: bytes) -> str:
    """What a request's body says: the texts of JSON, else all of it with its escapes undone."""
    with suppress(ValueError):
        return "\n".join(_leaves(json.loads(body)))
    text = body.decode("utf-8", "replace")
    return unescape(unquote_plus(text) if "=" in text and "\n" not in text else text)


def _leaves(value: object) -> Iterable[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [str(value)]


def _parts(header: str) -> Iterator[str]:
    scheme, _, rest = header.rpartition(" ")
    yield rest
    if scheme.lower() == "basic":
        with suppress(binascii.Error, UnicodeDecodeError):
            yield base64.b64decode(rest).decode().partition(":")[2]


def _hidden(write: Exchange) -> Iterator[str]:
    """Secrets that are part of an address or a body, as some systems want it."""
    yield from re.findall(r"(?<=/)[\w-]{24,}(?=[/?]|$)", write.path)
    yield from (found.decode() for found in re.findall(rb'"(?:routing_key|token|password)":"([^"]+)"', write.body))


def _stage(content: Json) -> Stage:
    if "start" in content:
        return Stage.FOLLOW_UP
    return Stage.CREATE_TICKET if "origin" in content or "labels" in content else Stage.NOTIFY
