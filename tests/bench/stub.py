"""The other systems: an HTTP server that answers any POST at once and notes when each run's notice arrived.

Deliberately small, so that it takes as little as possible of the cores that the measured systems need. Times are on the
monotonic clock, which all processes of one machine share.
"""

import asyncio
import json
import sys
import time
from typing import cast

from tests.bench.reports import MARK, MARK_LENGTH

_HEAD = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


class Books:
    """What arrived: the number of tickets (repeats included), and each notice's first arrival by its run's mark."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.tickets = 0
        self.posts = 0
        self.last = 0.0
        self.notices: set[bytes] = set()
        self._waiting: list[tuple[int, Link]] = []

    def post(self, path: bytes, body: bytes) -> bytes:
        """Take a ticket or a notice, which makes a new object, or what is told of them."""
        if path.startswith(b"/v1/"):  # traces
            return b"{}"
        self.posts += 1
        if path.startswith(b"/notices"):
            self._notice(body)
        else:
            self.tickets += 1
        return b'{"id":"%d","url":"http://stub.test/%d"}' % (self.posts, self.posts)

    def wait(self, count: int, link: "Link") -> None:
        """Answer once so many notices have arrived."""
        self._waiting.append((count, link))
        self._tell()

    def _notice(self, body: bytes) -> None:
        start = body.find(MARK.encode())
        mark = body[start : start + MARK_LENGTH]
        if mark not in self.notices:
            self.last = time.monotonic()
            self.notices.add(mark)
            self._tell()

    def _tell(self) -> None:
        for entry in [entry for entry in self._waiting if entry[0] <= len(self.notices)]:
            self._waiting.remove(entry)
            entry[1].answer(200, self._state())

    def _state(self) -> bytes:
        return json.dumps({"tickets": self.tickets, "notices": len(self.notices), "last": self.last}).encode()


class Link(asyncio.Protocol):
    """One connection. `POST` makes an object, `GET /<n>` waits for the n-th notice, `DELETE` forgets everything."""

    books = Books()

    def __init__(self) -> None:
        """Start with nothing read."""
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        length = _length(head)
        if found and len(rest) >= length:
            self._buffer = rest[length:]
            self._take(head, rest[:length])

    def answer(self, status: int, body: bytes) -> None:
        """Send a whole answer."""
        self._transport.write(_HEAD % (status, len(body), body))

    def _take(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            self.answer(201, Link.books.post(path, body))
        elif method == b"GET":
            Link.books.wait(int(path[1:]), self)
        else:
            Link.books = Books()
            self.answer(200, b"{}")


def _length(head: bytes) -> int:
    start = head.lower().find(b"\r\ncontent-length:")
    return int(head[start + 17 :].split(b"\r\n", 1)[0]) if start >= 0 else 0


async def _serve() -> None:
    """Print the port, and serve until standard input ends, so never longer than whoever started it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Link, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
