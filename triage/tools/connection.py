"""One HTTP/1.1 connection: a socket, and `h11` to speak the protocol.

Why not a whole HTTP client: only here is it known whether a byte of the request has left, every single wait is cut to
what is left of the call's deadline (their time-outs start anew with each byte of a slow answer), and it costs about a
fifth of the CPU per call.
"""

import re
import select
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, TypeAlias
from urllib.parse import quote, urlsplit

import h11

from triage import clock
from triage.errors import InvalidSetting, NotSent, OutcomeUnknown
from triage.tools.egress import Egress
from triage.tools.names import time_left

Headers: TypeAlias = Sequence[tuple[str, str]]

READ_SIZE = 64 * 1024
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""For SO_LINGER. Else the system goes on sending the bytes of a call that was given up or whose process was killed, and
a network that heals later delivers the whole request long after its deadline."""
UNACKNOWLEDGED = getattr(socket, "TCP_USER_TIMEOUT", None)
"""The same while the process is frozen; only Linux has it."""
HOST = re.compile(r"([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]*)?")
SAFE_IN_PATH = "/%:@!$&'()*+,;=~"
SAFE_IN_QUERY = SAFE_IN_PATH + "?"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request before it is put into bytes."""

    method: str
    address: "Address"
    headers: Headers
    body: bytes = b""


class TooLarge(Exception):
    """The answer's body is longer than was allowed."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL points: the server, and what to ask it for."""

    secure: bool
    host: str
    port: int
    authority: str
    target: str

    @classmethod
    @lru_cache(maxsize=1024)
    def parse(cls, url: str) -> Self:
        """From an absolute http or https URL.

        Raises:
            InvalidSetting: it is none, has a user name or a password in it (they would end up in logs), or a host that
                is not written in ASCII.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InvalidSetting(f"not a URL: {error}") from None
        if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.netloc):
            raise InvalidSetting("a tool's URL must be http or https, and name an ASCII host without a user name")
        secure = parts.scheme == "https"
        query = "?" + quote(parts.query, safe=SAFE_IN_QUERY) if parts.query else ""
        target = quote(parts.path or "/", safe=SAFE_IN_PATH) + query
        return cls(secure, parts.hostname or "", port or (443 if secure else 80), parts.netloc, target)

    @property
    def server(self) -> tuple[bool, str, int]:
        """What connections are shared by."""
        return self.secure, self.host, self.port


def connect(host: str, port: int, deadline: float, egress: Egress) -> socket.socket:
    """A socket to an allowed address that sends nothing once it is closed; see `Egress.connect` for what it raises."""
    raw = egress.connect(host, port, deadline)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    except BaseException:
        raw.close()
        raise
    return raw


class Connection:
    """A connection that is used by one thread, for one exchange at a time."""

    def __init__(self, raw: socket.socket) -> None:
        """Take over a connected socket."""
        self._socket = raw
        self._http = h11.Connection(h11.CLIENT)
        self._poll = select.poll()
        self._poll.register(raw, select.POLLIN)
        self.idle_since = clock.now()

    @classmethod
    def open(cls, address: Address, egress: Egress, context: ssl.SSLContext | None, deadline: float) -> Self:
        """Connect, with TLS if there is a context.

        Raises:
            Refused: the destination is not allowed.
            OSError: nobody there, also for TLS, names and the deadline.
        """
        raw = connect(address.host, address.port, deadline, egress)
        try:
            if context is not None:
                raw.settimeout(time_left(deadline))
                raw = context.wrap_socket(raw, server_hostname=address.host)
        except BaseException:
            raw.close()
            raise
        return cls(raw)

    def close(self) -> None:
        """Close the socket; nothing is said to the other side."""
        self._socket.close()

    @property
    def reusable(self) -> bool:
        """Whether both sides have finished the exchange, want to go on, and left no stray bytes behind.

        A stray byte would be taken for the start of the next call's answer.
        """
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        return not self._http.trailing_data[0]

    @property
    def quiet(self) -> bool:
        """Whether nothing came in while it was idle: neither the end of the connection nor an unasked answer."""
        return not self._poll.poll(0)

    def rest(self) -> None:
        """Get ready for the next exchange."""
        self._http.start_next_cycle()
        self.idle_since = clock.now()

    def compose(self, outgoing: Outgoing) -> bytes:
        """The bytes of a request; raises ValueError for headers that HTTP does not allow."""
        address, body = outgoing.address, outgoing.body
        length = [] if outgoing.method == "GET" else [("Content-Length", str(len(body)))]
        headers = [("Host", address.authority), *length, *outgoing.headers]
        try:
            start = h11.Request(method=outgoing.method, target=address.target, headers=headers)
        except h11.LocalProtocolError as error:
            raise ValueError(str(error)) from error
        parts = start, h11.Data(data=body), h11.EndOfMessage()
        return b"".join(self._http.send(part) or b"" for part in parts)

    def send(self, request: bytes, deadline: float) -> None:
        """Send the request.

        Raises:
            NotSent: the first write failed, so not a byte left. Over TLS that cannot be told.
            OutcomeUnknown: a later write failed.
        """
        rest = memoryview(request)
        provable = not isinstance(self._socket, ssl.SSLSocket)
        while rest:
            try:
                left = time_left(deadline)
                self._socket.settimeout(left)
                if UNACKNOWLEDGED is not None and self._socket.family != socket.AF_UNIX:
                    self._socket.setsockopt(socket.IPPROTO_TCP, UNACKNOWLEDGED, int(left * 1_000) + 1)
                rest = rest[self._socket.send(rest) :]
            except OSError as error:
                if provable and len(rest) == len(request):
                    raise NotSent(f"not sent: {error!r}") from error
                raise OutcomeUnknown(f"the connection broke while sending: {error!r}") from error

    def response(self, deadline: float) -> h11.Response:
        """The answer's status and headers; raises OSError or `h11.RemoteProtocolError`."""
        event = self._event(deadline)
        while isinstance(event, h11.InformationalResponse):
            event = self._event(deadline)
        if not isinstance(event, h11.Response):
            raise ConnectionResetError("closed without an answer")
        return event

    def body(self, limit: int, deadline: float) -> bytes:
        """The answer's whole body; raises OSError, `h11.RemoteProtocolError` or `TooLarge`."""
        body = bytearray()
        for piece in self.pieces(deadline):
            body += piece
            if len(body) > limit:
                raise TooLarge
        return bytes(body)

    def pieces(self, deadline: float) -> Iterator[bytes]:
        """The answer's body as it comes in."""
        while isinstance(event := self._event(deadline), h11.Data):
            yield event.data

    def _event(self, deadline: float) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._socket.settimeout(time_left(deadline))
            self._http.receive_data(self._socket.recv(READ_SIZE))
        if event is h11.PAUSED:
            raise ConnectionResetError("the server switched to another protocol")
        return event
