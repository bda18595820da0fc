"""Makes servers that listen on loopback reachable at other addresses of this machine, through plain TCP."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

CHUNK = 64 * 1024
START_LIMIT = 10.0
Address = tuple[str, int]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Forwarders:
    """A thread with an event loop that forwards each address (keys) to another (values)."""

    def __init__(self, routes: Mapping[Address, Address]) -> None:
        """Listens once entered."""
        self._routes = dict(routes)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="forwarders", daemon=True)
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def __enter__(self) -> Self:
        """Start, and return once all listen."""
        self._thread.start()
        if not self._listening.wait(START_LIMIT):
            raise RuntimeError("the forwarders do not listen")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; what goes through is cut."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_LIMIT)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        for (host, port), target in self._routes.items():
            await asyncio.start_server(_to(target), host, port)
        self._listening.set()
        await self._stop.wait()


def _to(target: Address) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_connection(*target)
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
        writer.transport.abort()

    return serve


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; its end ends the other too, since none of these protocols closes only one half."""
    try:
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
