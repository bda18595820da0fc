"""A language model's provider on loopback, in the words of all that can be set, misbehaving on request.

`with ProviderServer() as server:` serves from a thread of this process. It answers as the asked schema demands, counts
what it is asked, and keeps every body, so that a test can see what left the house. Streaming is not offered.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from types import SimpleNamespace, TracebackType
from typing import Self, cast

from triage.testing.dialects import Dialect, End, Json, Usage, fitting, spoken
from triage.testing.server import BACKLOG, HOST
from triage.testing.wire import Arrival, Link

HUGE = 4 * 1024 * 1024
OVERLOADED = cast(HTTPStatus, SimpleNamespace(value=529, phrase="Overloaded"))
"""Anthropic's status, which the standard library does not know."""


class Behaviour(StrEnum):
    """What one request meets."""

    RIGHT = "right"
    """An answer that fits the asked schema."""
    WRONG_SCHEMA = "wrong_schema"
    """An answer whose kind is none that was offered and whose confidence is over 1."""
    PROSE = "prose"
    """Words instead of the asked object."""
    GARBAGE = "garbage"
    """A page of HTML with status 200."""
    HUGE = "huge"
    """A right answer followed by 4 MiB of words."""
    SLOW = "slow"
    """A right answer, bit by bit over `seconds`."""
    CUT = "cut"
    """Half of a right answer, then the connection ends."""
    TOO_MANY = "429"
    """Refused for now, with `Retry-After: seconds`."""
    OVERLOADED = "529"
    ERROR = "500"
    NO_ACCESS = "401"
    NO_SUCH_MODEL = "404"
    HANG = "hang"
    """No answer at all."""
    DROP = "drop"
    """The connection ends without an answer."""
    NO_USAGE = "no_usage"
    """A right answer that says that it used nothing."""
    ABSURD_USAGE = "absurd_usage"
    """A right answer that says that it used more than was sent, and more of it cached than that."""
    REFUSAL = "refusal"
    """The model does not want to."""
    UNFINISHED = "unfinished"
    """Half a sentence, cut off at its bound; Google's client is told how to ask for the rest."""
    REDIRECT = "redirect"
    """Sent elsewhere: to `elsewhere`, with the same method and body."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One request, as it arrived; header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: Json


@dataclass
class ProviderServer:
    """`latency` is how long each answer takes, in seconds; `answer` replaces fields of the right one."""

    latency: float = 0.0
    seconds: float = 1.0
    usage: Usage = (120, 30, 0)
    elsewhere: str = "/elsewhere"
    answer: Json = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    most_at_once: int = 0
    read_timeout: float = 10.0
    url: str = ""
    _script: deque[Behaviour] = field(default_factory=deque)
    _at_once: int = 0
    _links: set[Link] = field(default_factory=set)

    def script(self, *behaviours: Behaviour | str) -> None:
        """Let the next requests meet these, one each; those after them are answered right."""
        self._script.extend(Behaviour(one) for one in behaviours)

    @property
    def count(self) -> int:
        """How many requests arrived."""
        return len(self.heard)

    @property
    def everything(self) -> str:
        """All that was sent here, as one text."""
        return "\n".join(f"{one.path} {one.headers} {json.dumps(one.body, ensure_ascii=False)}" for one in self.heard)

    def __enter__(self) -> Self:
        """Start, and return once it listens."""
        self._listening = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="provider", daemon=True)
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; what hangs is cut off."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Link(self), HOST, 0, backlog=BACKLOG)
        self.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await self._stop.wait()
        server.close()
        for link in self._links:
            link.drop()
        await asyncio.sleep(0)  # what was dropped is closed in the loop's next turn

    def begin(self, arrival: Arrival, link: Link) -> bool:  # noqa: ARG002 - the wire's protocol
        """A head has arrived."""
        self._links.add(link)
        return True

    def handle(self, arrival: Arrival, link: Link) -> None:
        """Answer, after the latency."""
        try:
            body = json.loads(arrival.body)
        except ValueError:
            return link.answer(HTTPStatus.BAD_REQUEST, b"{}")
        self.heard.append(Heard(arrival.path, arrival.headers, body))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        behaviour = self._script.popleft() if self._script else Behaviour.RIGHT
        reply = Reply(self, spoken(arrival), body)
        asyncio.get_running_loop().call_later(self.latency, self._act, link, reply, behaviour)
        return None

    def _act(self, link: Link, reply: "Reply", behaviour: Behaviour) -> None:
        self._at_once -= 1
        ACTS[behaviour](link, reply)


@dataclass(frozen=True, slots=True)
class Reply:
    """What can be said to one request."""

    server: ProviderServer
    dialect: Dialect
    asked: Json

    def right(self, usage: Usage | None = None, **changes: object) -> bytes:
        """The answer that was asked for, with some fields changed."""
        answer = fitting(self.asked) | self.server.answer | changes
        return self.said(answer, usage)

    def said(self, answer: Json | str, usage: Usage | None = None, end: End = "finished") -> bytes:
        """An answer in the provider's format: an object, or words."""
        return json.dumps(self.dialect.said(self.asked, answer, usage or self.server.usage, end)).encode()

    def failed(self, status: HTTPStatus, kind: str) -> bytes:
        """An error in the provider's format."""
        return json.dumps(self.dialect.failed(status, kind)).encode()

    @property
    def seconds(self) -> float:
        """See `ProviderServer`."""
        return self.server.seconds


def _fails(status: HTTPStatus, kind: str) -> Callable[[Link, Reply], None]:
    return lambda link, reply: link.answer(status, reply.failed(status, kind))


def _cut(link: Link, reply: Reply) -> None:
    link.dribble(HTTPStatus.OK, reply.right(), 0.4)
    asyncio.get_running_loop().call_later(0.2, link.drop)


def _too_many(link: Link, reply: Reply) -> None:
    status = HTTPStatus.TOO_MANY_REQUESTS
    link.answer(status, reply.failed(status, "rate_limit_error"), f"retry-after: {reply.seconds:g}")


def _redirect(link: Link, reply: Reply) -> None:
    link.answer(HTTPStatus.TEMPORARY_REDIRECT, b"{}", f"location: {reply.server.elsewhere}")


def _ok(body: Callable[[Reply], bytes]) -> Callable[[Link, Reply], None]:
    return lambda link, reply: link.answer(HTTPStatus.OK, body(reply))


ACTS: dict[Behaviour, Callable[[Link, Reply], object]] = {
    Behaviour.RIGHT: _ok(lambda reply: reply.right()),
    Behaviour.WRONG_SCHEMA: _ok(lambda reply: reply.right(kind="close_all_tickets", confidence=7)),
    Behaviour.PROSE: _ok(lambda reply: reply.said("It is a bug, I am quite sure.")),
    Behaviour.GARBAGE: _ok(lambda _: b"<html>It works!</html>"),
    Behaviour.HUGE: _ok(lambda reply: reply.right(note="x" * HUGE)),
    Behaviour.SLOW: lambda link, reply: link.dribble(HTTPStatus.OK, reply.right(), reply.seconds),
    Behaviour.CUT: _cut,
    Behaviour.TOO_MANY: _too_many,
    Behaviour.OVERLOADED: _fails(OVERLOADED, "overloaded_error"),
    Behaviour.ERROR: _fails(HTTPStatus.INTERNAL_SERVER_ERROR, "api_error"),
    Behaviour.NO_ACCESS: _fails(HTTPStatus.UNAUTHORIZED, "authentication_error"),
    Behaviour.NO_SUCH_MODEL: _fails(HTTPStatus.NOT_FOUND, "not_found_error"),
    Behaviour.HANG: lambda *_: None,
    Behaviour.DROP: lambda link, _: link.drop(),
    Behaviour.NO_USAGE: _ok(lambda reply: reply.right((0, 0, 0))),
    Behaviour.ABSURD_USAGE: _ok(lambda reply: reply.right((10, 30, 5_000))),
    Behaviour.REFUSAL: _ok(lambda reply: reply.said("I cannot help with that.", end="refused")),
    Behaviour.UNFINISHED: _ok(lambda reply: reply.said("It seems to be", end="cut")),
    Behaviour.REDIRECT: _redirect,
}
