"""What all twins share: a server on loopback with a thread for each connection, and routes of method and path."""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

HOST = "127.0.0.1"
IDLE = 5.0
"""Seconds that an idle connection is kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `path` is as it came, without the query; `query` and `parts` (the route's groups) are decoded.

    Names of headers are in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """The body's JSON object; empty if it is none."""
        value = self.value()
        return value if isinstance(value, dict) else {}

    def value(self) -> Any:  # noqa: ANN401 - whatever JSON says
        """The body's JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, JSON unless the headers name another type."""

    status: int = HTTPStatus.OK
    value: object = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Bytes are sent as they are, nothing as nothing."""
        if isinstance(self.value, bytes):
            return self.value
        return b"" if self.value is None else json.dumps(self.value).encode()


Handler: TypeAlias = Callable[[Asked], Reply]


class Twin:
    """A server from `__enter__` to `__exit__`. Handlers run one at a time: `lock` is held around them."""

    def __init__(self) -> None:
        """Listens only once entered; `index_lag` is how many seconds searches are behind."""
        self.lock = threading.RLock()
        self.index_lag = 0.0
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self._server: ThreadingHTTPServer
        self.url = ""

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Give requests whose path (without the query) matches wholly to a handler; the first route that fits wins."""
        self._routes.append((method, re.compile(path), handler))

    def answer(self, asked: Asked) -> Reply:
        """What is said to a request; a twin may put its checks of credentials and limits before it."""
        for method, path, handler in self._routes:
            if method == asked.method and (found := path.fullmatch(asked.path)):
                parts = {name: unquote(value or "") for name, value in found.groupdict().items()}
                return handler(Asked(method, asked.path, asked.query, asked.headers, asked.body, parts))
        return Reply(HTTPStatus.NOT_FOUND, {"message": "Not Found"})

    def indexed(self, made: float) -> bool:
        """Whether searches show already what was made at that time of `time.monotonic()`."""
        return time.monotonic() - made >= self.index_lag

    def objects(self, key: str) -> list[str]:
        """The ids of all objects that were really made with this key, by whatever marker, and not deleted since."""
        raise NotImplementedError

    def delete(self, remote_id: str) -> None:
        """Remove an object as a person does."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Listen; raises OSError if that is not possible."""
        twin = self
        handler = type("Handler", (_Handler,), {"twin": twin})
        self._server = _Server((HOST, 0), handler)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="twin", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; connections end with their next pause."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base's types
        """A client that left is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE
    twin: Twin

    def handle_any(self) -> None:
        """Read the request whole, ask the twin, answer."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        with self.twin.lock:
            reply = self.twin.answer(Asked(self.command, parts.path, query, headers, body))
        body = reply.body
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_PROPFIND = do_REPORT = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing is logged."""
