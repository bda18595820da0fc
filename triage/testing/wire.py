"""HTTP/1.1 as a server, as small as the tests need: `Content-Length` bodies, keep-alive, and ways to misbehave."""

import asyncio
import socket
import struct
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast
from urllib.parse import parse_qs, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 16 * 1024 * 1024
DRIBBLES = 20
"""In how many pieces at least a dribbled answer is sent."""


@dataclass(slots=True)
class Arrival:
    """A request: `path` without the leading slash, header names in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""

    @classmethod
    def parse(cls, head: bytes) -> "Arrival":
        """From the bytes before the empty line; ValueError if they are no HTTP."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        url = urlsplit(target)
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        return cls(method, url.path[1:], parse_qs(url.query) if url.query else {}, headers)

    @property
    def length(self) -> int:
        """How many bytes its body has; ValueError if it does not say so in a way understood here."""
        if "transfer-encoding" in self.headers:
            raise ValueError("only bodies with a Content-Length are understood")
        length = int(self.headers.get("content-length", "0"))
        if not 0 <= length <= MAX_BODY:
            raise ValueError("the body is too large")
        return length


class App(Protocol):
    """What stands behind the wire."""

    @property
    def read_timeout(self) -> float:
        """Seconds until a request that has not wholly arrived is given up."""
        ...

    def begin(self, arrival: Arrival, link: "Link") -> bool:
        """A head has arrived; False if the app broke the connection and wants no body."""
        ...

    def handle(self, arrival: Arrival, link: "Link") -> None:
        """A whole request has arrived; answer on the link now, later or never."""
        ...


class Link(asyncio.Protocol):
    """One connection: it hands the app one request at a time."""

    def __init__(self, app: App) -> None:
        """Serve `app`."""
        self._app = app
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._arrival: Arrival | None = None
        self._busy = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Called by asyncio. What the app has in hand goes on: a server does not notice that its client left."""
        self._calm()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        if not self._busy:
            self._advance()

    def answer(self, status: HTTPStatus, body: bytes, *headers: str) -> None:
        """Send a whole answer and read the next request; nothing happens if the client has left."""
        if not self._transport.is_closing():
            self._transport.write(_head(status, len(body), headers) + body)
            self._next()

    def dribble(self, status: HTTPStatus, body: bytes, seconds: float) -> None:
        """Send an answer bit by bit over `seconds`."""
        self._drip(_head(status, len(body), ()) + body, seconds)

    def drop(self) -> None:
        """Close the connection without a word."""
        self._transport.abort()

    def reset(self) -> None:
        """Close the connection with an RST."""
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _advance(self) -> None:
        try:
            complete = self._read()
        except ValueError as error:
            self._buffer.clear()
            self.answer(HTTPStatus.BAD_REQUEST, str(error).encode())
            self._transport.close()
            return
        if complete:
            self._hand_over()
        elif (self._buffer or self._arrival) and self._patience is None:
            loop = asyncio.get_running_loop()
            self._patience = loop.call_later(self._app.read_timeout, self.drop)

    def _read(self) -> bool:
        """Whether a whole request is there."""
        if self._arrival is None and not self._read_head():
            return False
        return self._arrival is not None and len(self._buffer) >= self._arrival.length

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise ValueError("the head is too large")
            return False
        self._arrival = Arrival.parse(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        return self._app.begin(self._arrival, self)

    def _hand_over(self) -> None:
        arrival = cast(Arrival, self._arrival)
        arrival.body = bytes(self._buffer[: arrival.length])
        del self._buffer[: arrival.length]
        self._calm()
        self._arrival, self._busy = None, True
        self._app.handle(arrival, self)

    def _next(self) -> None:
        self._busy = False
        if self._buffer:
            self._advance()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _drip(self, rest: bytes, seconds: float) -> None:
        if self._transport.is_closing():
            return
        if not rest:
            self._next()
            return
        size = max(1, len(rest) // DRIBBLES)
        pause = seconds * size / len(rest)
        self._transport.write(rest[:size])
        asyncio.get_running_loop().call_later(pause, self._drip, rest[size:], seconds - pause)


def _head(status: HTTPStatus, length: int, headers: tuple[str, ...]) -> bytes:
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {length}",
        *headers,
    )
    return "\r\n".join((*lines, "", "")).encode()
