"""A process that has imported everything and opened nothing, and forks a child for each trial.

Starting a worker from nothing costs more than a second of CPU, a fork a few hundredths. Wishes come in as lines of
JSON, and lines of JSON say which children were started and how they ended. When the wishes end, so do the children.
"""

import contextlib
import gc
import importlib
import json
import os
import random
import select
import signal
import stat
import sys
import threading
import time
import traceback
from types import ModuleType
from typing import Any

from tests.crash import labels

IMPORTS = ["celery.bin.celery", "celery.apps.worker", "celery.concurrency.thread", "celery.worker.consumer"]
IMPORTS += ["celery.worker.components", "celery.worker.autoscale", "celery.worker.control", "celery.app.amqp"]
IMPORTS += ["celery.app.control", "celery.app.events", "celery.app.log", "celery.fixups.django", "celery.backends.base"]
IMPORTS += ["kombu.transport.redis", "kombu.asynchronous.hub", "sqlalchemy.dialects.postgresql.psycopg"]
MOST_DESCRIPTORS = 256


class Zygote:
    """Forks on request; single-threaded."""

    def __init__(self, trade: ModuleType) -> None:
        """Each child calls the module's `main` with the wish."""
        self._trade = trade
        self._children: dict[int, int] = {}
        self._rest = b""
        self._deaths, wake = os.pipe()
        for end in (self._deaths, wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self._pipes = (self._deaths, wake)

    def serve(self) -> None:
        """Until standard input is closed."""
        while True:
            readable, _, _ = select.select([0, self._deaths], [], [])
            if self._deaths in readable:
                os.read(self._deaths, 4096)
                self._bury()
            if 0 in readable and not self._listen():
                return

    def end(self) -> None:
        """No child stays."""
        for pid in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _listen(self) -> bool:
        data = os.read(0, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(data)

    def _obey(self, wish: dict[str, Any]) -> None:
        if wish["kind"] == "kill":
            if wish["id"] in self._children:  # else it is buried, and its number may be somebody else's
                os.kill(self._children[wish["id"]], wish["signal"])
            return
        pid = os.fork()
        if pid == 0:
            self._become(wish)
        self._children[wish["id"]] = pid
        _say({"id": wish["id"], "pid": pid})

    def _bury(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = next(number for number, known in self._children.items() if known == pid)
            del self._children[number]
            _say({"id": number, "status": os.waitstatus_to_exitcode(status), "at": time.monotonic()})

    def _become(self, wish: dict[str, Any]) -> None:
        """Be the child; never returns."""
        status = 1
        try:
            self._separate(wish)
            status = self._trade.main(wish)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 - into its log, as nobody is above it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _separate(self, wish: dict[str, Any]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        for pipe in (*self._pipes, log, nothing):
            os.close(pipe)
        os.chdir(wish["folder"])
        os.environ.update(wish["environment"])
        random.seed()


def _say(answer: dict[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _pristine() -> None:
    """Nothing may be shared by the children: no connection, no thread, no settings read."""
    from triage import bootstrap  # noqa: PLC0415 - only to look at it

    sockets = [fd for fd in range(MOST_DESCRIPTORS) if _is_socket(fd)]
    if threading.active_count() > 1 or sockets or bootstrap._services or "celeryconfig" in sys.modules:
        raise RuntimeError(f"not to be forked: {threading.enumerate()} {sockets} {bootstrap._services}")


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # not open
        return False


def main(trade: str) -> None:
    """Import, check, serve."""
    for name in IMPORTS:
        importlib.import_module(name)
    zygote = Zygote(importlib.import_module(trade))
    labels.statements()  # read now, so that all children run the same ones, whoever edits them meanwhile
    _pristine()
    gc.collect()
    gc.freeze()
    _say({"ready": True})
    try:
        zygote.serve()
    finally:
        zygote.end()


if __name__ == "__main__":
    main(sys.argv[1])
