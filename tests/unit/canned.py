"""A server for tests of the transport: it does to each connection exactly what the test says."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from triage.tools.egress import Egress
from triage.tools.transport import Transport

PATIENCE = 5.0
"""Seconds that a call may take, far more than it needs."""
HOME = Egress(["127.0.0.1"])
"""Lets the servers of these tests be called."""
OK = b'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"id":"1"}'
Behaviour: TypeAlias = Callable[[socket.socket, "Seen"], None]


@dataclass
class Seen:
    """What a server has seen: accepted connections, and the requests on all of them."""

    url: str
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    def read(self, client: socket.socket) -> bytes:
        """One request, whole; empty when the client has left."""
        request = b""
        while not request.endswith(b"\r\n\r\n" if request.startswith(b"GET") else b"\r\n\r\n{}"):
            if not (piece := client.recv(65536)):
                return b""
            request += piece
        self.requests.append(request)
        return request


@dataclass
class _Server:
    listener: socket.socket
    behaviour: Behaviour
    seen: Seen

    def listen(self) -> None:
        """Give each connection a thread, until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.seen.connections += 1
                threading.Thread(target=self._attend, args=(client,), daemon=True).start()

    def _attend(self, client: socket.socket) -> None:
        client.settimeout(5)
        with client, contextlib.suppress(OSError):  # the client may leave at any time
            self.behaviour(client, self.seen)


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[Seen]:
    """A server on loopback that treats each connection, on a thread of its own, as `behaviour` does."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = Seen(f"http://127.0.0.1:{listener.getsockname()[1]}/hook")
    threading.Thread(target=_Server(listener, behaviour, seen).listen, daemon=True).start()
    try:
        yield seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def replying(*answers: bytes) -> Behaviour:
    """Answer the requests of a connection with these bytes, the last of them for ever."""

    def behave(client: socket.socket, seen: Seen) -> None:
        rest = list(answers)
        while seen.read(client):
            client.sendall(rest.pop(0) if len(rest) > 1 else rest[0])

    return behave


def replying_once(answer: bytes) -> Behaviour:
    """Answer one request and close the connection."""

    def behave(client: socket.socket, seen: Seen) -> None:
        seen.read(client)
        client.sendall(answer)

    return behave


def dribbling(start: bytes, drop: bytes) -> Behaviour:
    """Answer with a start and then one drop every 50 ms, without end."""

    def behave(client: socket.socket, seen: Seen) -> None:
        seen.read(client)
        client.sendall(start)
        while True:
            time.sleep(0.05)
            client.sendall(drop)

    return behave


def post(transport: Transport, url: str, patience: float = PATIENCE) -> bytes:
    """Post `{}`; the answer's body."""
    return transport.post(url, b"{}", [], time.monotonic() + patience).body
