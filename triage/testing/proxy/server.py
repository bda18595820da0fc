"""The proxy inside this process."""

import contextlib
import http.client
import json
import re
import socket
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self

import h11

from triage.testing.proxy.behaviour import BEHAVIOUR, Call, as_json, fixed
from triage.testing.proxy.book import Book, Entry, IsWrite, is_write
from triage.testing.proxy.caller import Answer, Asked, Caller, forward
from triage.testing.proxy.controls import CONTROL, ProxyControls

HOST = "127.0.0.1"
BACKLOG = 256
JOIN_LIMIT = 5.0
"""Seconds to wait for each thread to end."""


class FaultProxy(ProxyControls):
    """Forwards to `http://` targets, with a thread for each connection, from `__enter__` to `__exit__`."""

    def __init__(self, target_url: str, is_write: IsWrite = is_write, port: int = 0) -> None:
        """Listens only once entered; port 0 takes a free one.

        A path in `target_url` is put before the paths of requests. `is_write` is called by many threads.
        """
        super().__init__("")
        self._target = target_url
        self._is_write = is_write
        self._port = port
        self._book = Book()
        self._stop = threading.Event()
        self._links: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener: socket.socket

    def __enter__(self) -> Self:
        """Listen; raises OSError if that is not possible."""
        self._listener = socket.create_server((HOST, self._port), backlog=BACKLOG)
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; what hangs is cut, and what would commit later does not."""
        self._stop.set()
        for link in (self._listener, *list(self._links)):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(JOIN_LIMIT)
        self._listener.close()

    def _start(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                with contextlib.suppress(OSError, h11.ProtocolError):
                    work()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name="fault-proxy", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            link, _ = self._listener.accept()
            self._links.add(link)
            self._start(partial(self._attend, link))

    def _attend(self, link: socket.socket) -> None:
        try:
            with link:
                caller = Caller(link)
                while not self._stop.is_set() and (asked := caller.read()):
                    self._handle(caller, asked)
        finally:
            self._links.discard(link)

    def _handle(self, caller: Caller, asked: Asked) -> None:
        if asked.path.startswith(CONTROL):
            caller.answer(self._control(asked))
            return
        book, write = self._book, self._is_write(asked.method, asked.path, asked.body)
        step = book.arrived(asked, write=write)
        commit = partial(self._commit, book, asked, write=write)
        if isinstance(step, Answer):
            fixed(Call(caller, commit, self._later(commit), 0), step)
        else:
            BEHAVIOUR[step.kind](Call(caller, commit, self._later(commit), step.seconds))

    def _commit(self, book: Book, asked: Asked, *, write: bool) -> Answer:
        """The book is that of the arrival: what commits after a reset is not mixed into the next test's counts."""
        try:
            answer = forward(self._target, asked)
        except (OSError, http.client.HTTPException) as error:
            return as_json({"error": f"the target does not answer: {error}"}, HTTPStatus.BAD_GATEWAY)
        if write:
            book.committed()
        return answer

    def _later(self, commit: Callable[[], Answer]) -> Callable[[float], None]:
        def work(seconds: float) -> None:
            if not self._stop.wait(seconds):
                commit()

        return lambda seconds: self._start(partial(work, seconds))

    def _control(self, asked: Asked) -> Answer:
        try:
            return as_json(self._controlled(asked.method, asked.path.removeprefix(CONTROL), asked.body))
        except (ValueError, TypeError, KeyError, re.error) as error:
            return as_json({"error": repr(error)}, HTTPStatus.BAD_REQUEST)

    def _controlled(self, method: str, name: str, body: bytes) -> object:
        match method, name:
            case "GET", "counts":
                return self._book.counts()
            case "GET", "requests":
                return self._book.listing()
            case "POST", "script":
                self._book.script(Entry.parse(json.loads(body)))
            case "POST", "reset":
                self._book = Book()
            case _:
                raise ValueError("no such control")
        return {}
