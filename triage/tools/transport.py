"""The one HTTP client of all tools: one call is one request, and every outcome becomes one of the product's errors.

It never retries, follows no redirect, reads no proxy settings from the environment, and asks for no compression.
"""

import email.utils
import json
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

import h11
from opentelemetry.trace import SpanKind

from triage import clock, telemetry, tracing
from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Json
from triage.tools.connection import Address, Connection, Headers, Outgoing, TooLarge, connect
from triage.tools.egress import Egress

MAX_BODY = 1024 * 1024
MAX_LISTED = 16 * MAX_BODY
"""The same for look-ups: a page of a list may hold many whole reports, and one that cannot be read proves nothing."""
MAX_ERROR = 16 * 1024
"""How much of an error's body is read, in bytes."""
ERROR_PATIENCE = 0.5
"""Seconds that the rest of an error's body is waited for."""
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
COMMON_HEADERS: Headers = [
    ("User-Agent", "triage"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # a small compressed answer could become a huge one
]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: `body` is bounded, names of headers are in lower case.

    Of an answer other than 2xx the body may be cut: its status is known by then, whatever happens to the rest.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether it is a 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

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
        egress: Egress | None = None,
    ) -> None:
        """Set up without touching the network.

        `before_send` is called once a connection stands, directly before a call's first byte; what it raises ends the
        call, and nothing was sent. `max_body` is in bytes, `keepalive` in seconds. `tls` defaults to the system's
        certificates, `egress` to public addresses only.
        """
        self._before_send = before_send
        self._max_body = max_body
        self._keepalive = keepalive
        self._tls = tls
        self._egress = egress or Egress()
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
        answer = self.exchange("POST", url, body, [("Content-Type", "application/json"), *headers], deadline)
        if answer.good or answer.status == HTTPStatus.CONFLICT:
            return answer
        raise failure(answer)

    def get(self, url: str, headers: Headers, deadline: float) -> Answer:
        """Look something up. It changes nothing, so that every failure is `NotSent`: nothing was learned."""
        answer = self.look("GET", url, b"", headers, deadline)
        if answer.good:
            return answer
        raise NotSent(f"the look-up failed: {failure(answer)}", retry_after(answer.headers))

    def look(self, method: str, url: str, body: bytes, headers: Headers, deadline: float) -> Answer:
        """Ask something that changes nothing, by any method; any whole answer is returned, all else is `NotSent`."""
        try:
            return self.exchange(method, url, body, headers, deadline, changes=False)
        except (OutcomeUnknown, Refused) as error:
            raise NotSent(f"the look-up failed: {error}") from error

    def exchange(
        self, method: str, url: str, body: bytes, headers: Headers, deadline: float, *, changes: bool = True
    ) -> Answer:
        """Send one request, and return any whole answer.

        `changes` says whether it may change anything there; only then is `before_send` asked.

        Raises:
            NotSent: surely nothing was done: no connection, or the deadline passed before the first byte.
            OutcomeUnknown: the connection broke after that, or the answer is too long.
            Refused: HTTP does not allow this request, or its destination is not allowed.
        """
        outgoing = Outgoing(method, Address.parse(url), _with_common(headers), body)
        told = {telemetry.HTTP_METHOD: method, telemetry.SERVER_ADDRESS: outgoing.address.host}
        with tracing.child(method, SpanKind.CLIENT, told):
            answer = self._call(outgoing, deadline, changes=changes)
            tracing.note({telemetry.HTTP_STATUS: answer.status})
        return answer

    def connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """A socket for tools that do not speak HTTP, to an allowed address; `about_to_send` is for them to ask.

        Raises:
            NotSent: nobody there, or not before the deadline.
            Refused: the destination is not allowed.
        """
        try:
            return connect(host, port, deadline, self._egress)
        except (OSError, ValueError) as error:  # ValueError: a host name that cannot be encoded
            raise NotSent(f"cannot connect to {host}:{port}: {brief(error)}") from error

    def about_to_send(self, deadline: float) -> None:
        """To be asked directly before the first byte that may change anything; raises `NotSent`, or what the hook does.

        The deadline is looked at last, however long the hook took.
        """
        self._before_send()
        _check(deadline)

    def close(self) -> None:
        """Close what is idle; the transport can be used again."""
        old, self._idle = self._idle, {}
        for connection in (connection for connections in old.values() for connection in connections):
            connection.close()

    def _call(self, outgoing: Outgoing, deadline: float, *, changes: bool) -> Answer:
        connection = self._obtain(outgoing.address, deadline)
        try:
            self._send(connection, outgoing, deadline, changes=changes)
            limit = self._max_body if changes else max(self._max_body, MAX_LISTED)
            answer = self._receive(connection, limit, deadline)
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
            return Connection.open(address, self._egress, self.context() if address.secure else None, deadline)
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

    def context(self) -> ssl.SSLContext:
        """What TLS is spoken with; made at its first use, as reading the system's certificates takes a while."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _send(self, connection: Connection, outgoing: Outgoing, deadline: float, *, changes: bool) -> None:
        try:
            request = connection.compose(outgoing)
        except ValueError as error:
            raise Refused(f"HTTP does not allow this request: {brief(error)}") from error
        if changes:
            self._before_send()
        _check(deadline)
        connection.send(request, deadline)

    def _receive(self, connection: Connection, limit: int, deadline: float) -> Answer:
        try:
            response = connection.response(deadline)
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
            if HTTPStatus.OK <= response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                return Answer(response.status_code, connection.body(limit, deadline), headers)
        except TooLarge:
            raise OutcomeUnknown(f"the answer is longer than {limit} bytes") from None
        except (OSError, h11.RemoteProtocolError) as error:
            raise OutcomeUnknown(f"no whole answer: {brief(error)}") from error
        return Answer(response.status_code, _start(connection, deadline), headers)

    def _keep(self, address: Address, connection: Connection) -> None:
        idle = self._idle.setdefault(address.server, [])
        if connection.reusable and len(idle) < MAX_IDLE:
            connection.rest()
            idle.append(connection)
        else:
            connection.close()


def _check(deadline: float) -> None:
    if clock.now() >= deadline:
        raise NotSent("the deadline passed before the first byte")


def failure(answer: Answer) -> NotSent | OutcomeUnknown | Refused:
    """What an answer means that is not what was hoped for.

    - 2xx: unknown. Something was done, but not what the adapter knows.
    - 3xx: unknown. Many systems answer a POST that they have carried out with a redirect to what it made.
    - 408: unknown. It may come from something in front of a server that is still at work.
    - 5xx: unknown. Also 503: it may come from something in front of the server, or after half the work.
    - other 4xx: the server has looked at the request and does not want it.
    """
    status, quoted = answer.status, excerpt(answer.body)
    words = f"status {status}: {quoted}" if quoted else f"status {status}"
    if status in SURELY_NOT_DONE:
        return NotSent(words, retry_after(answer.headers))
    definite = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Refused(words) if definite and status != HTTPStatus.REQUEST_TIMEOUT else OutcomeUnknown(words)


def _with_common(headers: Headers) -> Headers:
    """An adapter's headers, and the common ones that it does not give itself."""
    given = {name.lower() for name, _ in headers}
    return [*(common for common in COMMON_HEADERS if common[0].lower() not in given), *headers]


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that was asked for, at most an hour; None if there is none, or it cannot be understood.

    A date is taken relative to the answer's own `Date`, as the two clocks need not agree. Names are in lower case.
    """
    value = headers.get("retry-after", "")
    try:
        seconds = float(value) if value[:1].isdigit() else _until(value, headers["date"])
    except (ValueError, KeyError, TypeError):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_RETRY_AFTER.total_seconds()))


def _until(date: str, now: str) -> float:
    """Seconds between two HTTP dates; raises ValueError or TypeError for what is none."""
    return (email.utils.parsedate_to_datetime(date) - email.utils.parsedate_to_datetime(now)).total_seconds()


def _start(connection: Connection, deadline: float) -> bytes:
    """The start of an error's body. The status is known by now, so that a body that breaks off changes nothing."""
    start, until = bytearray(), min(deadline, clock.now() + ERROR_PATIENCE)
    try:
        for piece in connection.pieces(until):
            start += piece
            if len(start) >= MAX_ERROR:
                break
    except (OSError, h11.RemoteProtocolError):
        pass
    return bytes(start[:MAX_ERROR])


def excerpt(body: bytes) -> str:
    """The start of a body as one printable line, which logs and the database can take."""
    text = body[: 4 * EXCERPT].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)[:EXCERPT].strip()


def brief(error: Exception) -> str:
    """An error's kind and words; they may quote the server, so they are treated like its body."""
    return excerpt(f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
