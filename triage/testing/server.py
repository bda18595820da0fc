"""The tool server inside this process."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from triage.testing.app import ToolApp
from triage.testing.controls import Controls
from triage.testing.settings import Settings
from triage.testing.wire import Link

HOST = "127.0.0.1"
BACKLOG = 1024


async def serve(settings: Settings, port: int, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve on loopback until `stop` is set; `ready` is told the URL. Port 0 takes a free one."""
    app = ToolApp(settings)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Link(app), HOST, port, backlog=BACKLOG)
    ready(f"http://{HOST}:{server.sockets[0].getsockname()[1]}")
    try:
        await stop.wait()
    finally:
        # Not `async with`: that would wait for clients that keep their connections open.
        server.close()


class ToolServer(Controls):
    """A tool server on a thread and an event loop of its own, from `__enter__` to `__exit__`."""

    def __init__(self, settings: Settings | None = None, port: int = 0) -> None:
        """Listens only once entered; port 0 takes a free one."""
        super().__init__("")
        self._settings = settings or Settings()
        self._port = port
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tool-server", daemon=True)
        self._problem: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    def __enter__(self) -> Self:
        """Start, and return once it listens; raises OSError if it cannot."""
        self._thread.start()
        self._listening.wait()
        if self._problem is not None:
            raise self._problem
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and close what is open."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except OSError as error:
            self._problem = error
        finally:
            self._listening.set()

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, self._port, self._is_ready, self._stop)

    def _is_ready(self, url: str) -> None:
        self.url = url
        self._listening.set()
