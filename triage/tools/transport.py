"""The one HTTP client of all tools: one call is one request, and every outcome becomes one of the product's errors.

It never retries, follows no redirect, reads no proxy settings from the environment, and asks for no compression.
"""

import email.utils
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

import h11

from triage import clock
from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Json
from triage.tools.connection import Address, Connection, Headers, Outgoing, TooLarge

MAX_BODY = 1024 * 1024
EXCERPT = 500
"""How many characters of an error's body are quoted."""
LONGEST_RETRY_AFTER = timedelta(hours=1)
KEEPALIVE = 1.5
"""Seconds. Below what servers commonly keep an idle connection open (Gunicorn 2 s, Node and Apache 5 s): a request that
crosses the server's own close ends as an unknown outcome, so connections are given up earlier than the server would."""
MAX_IDLE = 64
"""Idle connections kept per server; as many as threads may be calling at once can be open."""

SURELY_NOT_DONE = {
    HTTPStatus.TOO_MANY_REQUESTS,  # refused by a limiter before any work
    HTTPStatus.TOO_EARLY,  # by its definition (RFC 8470) the server did not want to risk processing it
}
EXISTS = HTTPStatus.CONFLICT

COMMON_HEADERS: Headers = [
    ("User-Agent", "triage"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # a small compressed answer could become a huge one
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx or 409 answer: `body` is bounded."""

    status: int
    body: bytes

    def value(self) -> object:
        """The body's JSON; raises `OutcomeUnknown` if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise OutcomeUnknown(f"status {self.status}, but the answer is no JSON: {excerpt(self.body)}") from None

    def fields(self) -> Json:
        """The body's JSON object; raises `OutcomeUnknown` if it is none."""
        value = self.value()
        if not isinstance(value, dict):
            raise OutcomeUnknown(f"status {self.status}, but the answer is no JSON object: {excerpt(self.body)}")
        return value


class Transport:
    """Shared by all threads of a process and opened on first use; after a fork the child starts with no connections."""

    def __init__(
        self,
        before_send: Callable[[], None] = lambda: None,
        *,
        max_body: int = MAX_BODY,
        keepalive: float = KEEPALIVE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Set up without touching the network.

        `before_send` is called once a connection stands, directly before a call's first byte; what it raises ends the
        call, and nothing was sent. `max_body` is in bytes, `keepalive` in seconds. `tls` defaults to the system's
        certificates.
        """
        self._before_send = before_send
        self._max_body = max_body
        self._keepalive = keepalive
        self._tls = tls
        self._pid = os.getpid()
        # Lists and dicts are popped and appended to without a lock, which a fork could leave locked for ever.
        self._idle: dict[tuple[bool, str, int], list[Connection]] = {}

    def post(self, url: str, body: bytes, headers: Headers, deadline: float) -> Answer:
        """Send one POST of JSON; returns a 2xx or 409 (whether that means "exists" is known by the adapter).

        Raises:
            NotSent: surely nothing was done: no connection, the deadline passed before the first byte, 425, 429.
            OutcomeUnknown: it may or may not have been done.
            Refused: another 4xx, or a request that HTTP does not allow.
        """
        typed = [*COMMON_HEADERS, ("Content-Type", "application/json"), *headers]
        return self._call(Outgoing("POST", Address.parse(url), typed, body), deadline)

    def get(self, url: str, headers: Headers, deadline: float) -> Answer:
        """Look something up. It changes nothing, so that every failure is `NotSent`: nothing was learned."""
        try:
            answer = self._call(Outgoing("GET", Address.parse(url), [*COMMON_HEADERS, *headers]), deadline)
        except (OutcomeUnknown, Refused) as error:
            raise NotSent(f"the look-up failed: {error}") from error
        if answer.status == EXISTS:
            raise NotSent(f"the look-up failed: {EXISTS.value}")
        return answer

    def close(self) -> None:
        """Close what is idle; the transport can be used again."""
        old, self._idle = self._idle, {}
        for connection in (connection for connections in old.values() for connection in connections):
            connection.close()

    def _call(self, outgoing: Outgoing, deadline: float) -> Answer:
        connection = self._obtain(outgoing.address, deadline)
        try:
            self._send(connection, outgoing, deadline)
            answer = self._receive(connection, deadline)
        except BaseException:
            connection.close()
            raise
        self._keep(outgoing.address, connection)
        return answer

    def _obtain(self, address: Address, deadline: float) -> Connection:
        if self._pid != os.getpid():
            # In this order, so that no other thread sees the new number with the old connections. Only the child's
            # copies are closed; the parent goes on using its own.
            self.close()
            self._pid = os.getpid()
        if (connection := self._reuse(address)) is not None:
            return connection
        try:
            return Connection.open(address, self._context() if address.secure else None, deadline)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
            raise NotSent(f"cannot connect to {address.authority}: {brief(error)}") from error

    def _reuse(self, address: Address) -> Connection | None:
        """The connection used last, as it is the least likely to have been closed by the server meanwhile.

        Should the server close it in the instant after this check, the call fails after its first byte, and nobody can
        tell such a connection from one that broke while the server was working: that outcome is unknown.
        """
        idle = self._idle.get(address.server)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread took the last one
                return None
            if clock.now() - connection.idle_since < self._keepalive and connection.quiet:
                return connection
            connection.close()
        return None

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _send(self, connection: Connection, outgoing: Outgoing, deadline: float) -> None:
        try:
            request = connection.compose(outgoing)
        except ValueError as error:
            raise Refused(f"HTTP does not allow this request: {brief(error)}") from error
        if outgoing.method == "POST":
            self._before_send()
        if clock.now() >= deadline:
            raise NotSent("the deadline passed before the first byte")
        connection.send(request, deadline)

    def _receive(self, connection: Connection, deadline: float) -> Answer:
        try:
            response = connection.response(deadline)
            status = response.status_code
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == EXISTS:
                return Answer(status, connection.body(self._max_body, deadline))
        except TooLarge:
            raise OutcomeUnknown(f"status {status}, but the answer is longer than {self._max_body} bytes") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise OutcomeUnknown(f"no whole answer: {brief(error)}") from error
        raise _failure(response, _quote(connection, deadline))

    def _keep(self, address: Address, connection: Connection) -> None:
        idle = self._idle.setdefault(address.server, [])
        if connection.reusable and len(idle) < MAX_IDLE:
            connection.rest()
            idle.append(connection)
        else:
            connection.close()


def _failure(response: h11.Response, quoted: str) -> NotSent | OutcomeUnknown | Refused:
    """What an answer other than 2xx and 409 means.

    - 3xx: unknown. Many systems answer a POST that they have carried out with a redirect to what it made.
    - 408: unknown. It may come from something in front of a server that is still at work.
    - 5xx: unknown. Also 503: it may come from something in front of the server, or after half the work.
    - other 4xx: the server has looked at the request and does not want it.
    """
    status = response.status_code
    words = f"status {status}: {quoted}" if quoted else f"status {status}"
    if status in SURELY_NOT_DONE:
        return NotSent(words, retry_after(dict(response.headers)))
    definite = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Refused(words) if definite and status != HTTPStatus.REQUEST_TIMEOUT else OutcomeUnknown(words)


def retry_after(headers: dict[bytes, bytes]) -> timedelta | None:
    """The wait that was asked for, at most an hour; None if there is none, or it cannot be understood.

    A date is taken relative to the answer's own `Date`, as the two clocks need not agree. Names are in lower case.
    """
    value = headers.get(b"retry-after", b"").decode("latin-1")
    try:
        seconds = float(value) if value[:1].isdigit() else _until(value, headers[b"date"].decode("latin-1"))
    except (ValueError, KeyError, TypeError):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))


def _until(date: str, now: str) -> float:
    """Seconds between two HTTP dates; raises ValueError or TypeError for what is none."""
    return (email.utils.parsedate_to_datetime(date) - email.utils.parsedate_to_datetime(now)).total_seconds()


def _quote(connection: Connection, deadline: float) -> str:
    """The start of an error's body. The status is known by now, so that a body that breaks off changes nothing."""
    start = b""
    try:
        for piece in connection.pieces(deadline):
            start += piece
            if len(start) >= EXCERPT:
                break
    except (OSError, h11.RemoteProtocolError):
        pass
    return excerpt(start)


def excerpt(body: bytes) -> str:
    """The start of a body as one printable line, which logs and the database can take."""
    text = body[: 4 * EXCERPT].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)[:EXCERPT].strip()


def brief(error: Exception) -> str:
    """An error's kind and words; they may quote the server, so they are treated like its body."""
    return excerpt(f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
