"""One event loop per process, on a thread of its own, for clients that are bound to the loop they were first used on.

Started at the first ask, so always after the fork of a worker; a forked child forgets its parent's and starts its own.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from triage import clock, errors

T = TypeVar("T")
GRACE = 1.0
"""Seconds that an ask which was told to stop may take for it, before its caller goes on without it."""
ENDING = 2.0
"""Seconds for closing everything when the process ends."""


class EventLoop:
    """A running loop, from its first use to the end of the process."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closers: list[Callable[[], Awaitable[object]]] = []
        os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Callable[[], Coroutine[Any, Any, T]], deadline: float) -> T:
        """Run this on the loop from any other thread; it is cancelled at the deadline (seconds of `clock.now()`).

        Raises:
            TimeoutError: the deadline passed; the connection of what was under way is closed.
            ProcessExpired: the process ends.
            InvalidSetting: this process has gevent or eventlet patched in, under which no event loop runs.
        """
        future = asyncio.run_coroutine_threadsafe(_until(work, deadline), self._started())
        try:
            return future.result(max(deadline - clock.now(), 0) + GRACE)
        except concurrent.futures.CancelledError:
            raise errors.ProcessExpired("this process ends, so it asks no model any more") from None
        except TimeoutError:
            future.cancel()
            raise

    def at_exit(self, close: Callable[[], Awaitable[object]]) -> None:
        """Await this on the loop before it ends, such as the closing of a client."""
        self._closers.append(close)

    def stop(self) -> None:
        """Cancel what is under way, close what is open, and end the thread. A later `run` starts anew."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(TimeoutError, concurrent.futures.CancelledError):
            asyncio.run_coroutine_threadsafe(self._end(), loop).result(ENDING)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(ENDING)
        if not thread.is_alive():
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                refuse_green_threads()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="asking", daemon=True)
                self._thread.start()
                atexit.register(self.stop)
            return self._loop

    async def _end(self) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, *(close() for close in self._closers), return_exceptions=True)
        self._closers.clear()

    def _forget(self) -> None:
        """In a forked child: the parent's thread is not here, and its loop and connections are the parent's."""
        self._lock, self._loop, self._thread, self._closers = threading.Lock(), None, None, []


def refuse_green_threads() -> None:
    """Raise InvalidSetting under gevent and eventlet: their patched threads and sockets do not carry an event loop."""
    for library in ("gevent.monkey", "eventlet.patcher"):
        module = sys.modules.get(library)
        patched = getattr(module, "is_module_patched", None) or getattr(module, "is_monkey_patched", None)
        if patched is not None and (patched("threading") or patched("thread")):
            name = library.partition(".")[0]
            raise errors.InvalidSetting(f"a model cannot be asked from a {name} pool: use threads or prefork workers")


async def _until(work: Callable[[], Coroutine[Any, Any, T]], deadline: float) -> T:
    async with asyncio.timeout(max(deadline - clock.now(), 0)):
        return await work()


shared = EventLoop()
"""The one of this process."""
