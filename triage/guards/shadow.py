"""The shadow: what one tool was sent, a second one is sent as well, to see how it would do.

It refuses nothing and has no store. What the second tool does changes nothing for the run: it is called on a thread of
its own, after the first one succeeded, and whatever goes wrong there is only logged.
"""

import hashlib
import queue
import threading
from dataclasses import replace

import structlog

from triage import clock, telemetry
from triage.errors import ToolError
from triage.guards.base import Guard
from triage.model import Request, Sent
from triage.ports import Tool

MOST_WAITING = 100

log = structlog.get_logger()


class Shadow(Guard):
    """Hands each request that was sent to a second tool, under a key of its own.

    `lost` counts the requests that the second tool never saw because `MOST_WAITING` others were still before it.
    """

    def __init__(self, tool: Tool, second: Tool) -> None:
        """`second` should be guarded too."""
        super().__init__(tool)
        self._second = second
        self._waiting: queue.Queue[tuple[Request, Sent]] = queue.Queue(MOST_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def send(self, request: Request) -> Sent:
        """Send with the first tool; the second gets its turn later."""
        sent = self._tool.send(request)
        try:
            self._waiting.put_nowait((request, sent))
        except queue.Full:
            self.lost += 1
            log.warning(telemetry.SHADOW_LOST, tool=self.spec.name, second=self._second.spec.name, lost=self.lost)
        self._start()
        return sent

    def _start(self) -> None:
        """Begin with the first request: a thread from before a fork would not be there after it."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="shadow", daemon=True)
                self._thread.start()

    def _follow(self) -> None:
        while True:
            request, first = self._waiting.get()
            try:
                self._repeat(request, first)
            except ToolError as error:
                log.warning(telemetry.SHADOW_FAILED, **self._names(first), why=str(error))
            except Exception:  # a bug in the second tool must not end its trial
                log.exception(telemetry.SHADOW_FAILED, **self._names(first))

    def _repeat(self, request: Request, first: Sent) -> None:
        deadline = clock.now() + self._second.spec.timeout.total_seconds()
        key = shadow_key(request.key, self._second.spec.name)
        second = self._second.send(replace(request, key=key, deadline=deadline, approval=None))
        log.info(telemetry.SHADOW, **self._names(first), second_id=second.remote_id)

    def _names(self, first: Sent) -> dict[str, str]:
        return {"tool": self.spec.name, "first_id": first.remote_id, "second": self._second.spec.name}


def shadow_key(key: str, second: str) -> str:
    """The second tool's key for a request: 64 hexadecimal digits, always the same and never the first one's."""
    return hashlib.sha256(f"{key} shadow {second}".encode()).hexdigest()
