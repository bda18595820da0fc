"""The process that owns both servers: `python -m triage.local.guard FOLDER`.

One per folder, in a session of its own, so that Ctrl-C in a client's terminal does not reach it. It ends when no client
holds a lease and nobody asked to keep the servers, or on SIGTERM; it stops the servers first. If it is killed, the
kernel tells the servers to end.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from triage.local import locks, postgres, server, state, valkey
from triage.local.errors import LocalError
from triage.local.home import GUARD, Home
from triage.local.server import Server
from triage.local.waiting import Deadline

if TYPE_CHECKING:
    from types import FrameType

ROUND_S = 0.25
# Long enough for a client that only looks at the lock to let go of it.
LOCK_PATIENCE = timedelta(milliseconds=200)
log = logging.getLogger(__name__)


class Guard:
    """Both servers of one folder, what is published about them, and the watch over them."""

    def __init__(self, home: Home) -> None:
        """Start nothing yet."""
        self._home = home
        self._servers: list[Server] = []
        self._published: int | None = None

    def start(self) -> None:
        """Start both servers and publish where they are; raises LocalError if one does not start."""
        last = state.read_last(self._home.state)
        ports = {name: running.port for name, running in last.servers.items()} if last else {}
        for prepare in (valkey.prepare, postgres.prepare):
            program = prepare(self._home)
            self._servers.append(Server(program, ports.get(program.name)))
        for one in self._servers:
            one.start()
        self._publish()

    def watch(self) -> None:
        """Keep both servers running until nobody needs them."""
        lease = os.open(self._home.lease, os.O_RDWR | os.O_CREAT, 0o600)
        # The exclusive lock, once got, is kept to the end: clients that come now wait for us to be gone.
        while self._home.keep.exists() or not locks.try_lock(lease, locks.EXCLUSIVE):
            self._tend()
            time.sleep(ROUND_S)

    def stop(self) -> None:
        """Stop both servers; new clients see at once that there is nothing to join."""
        self._withdraw()
        server.stop(self._servers)

    def _tend(self) -> None:
        if not all(one.alive for one in self._servers):
            self._withdraw()
        for one in self._servers:
            if one.due:
                self._mend(one)
        if self._published is None and all(one.alive for one in self._servers):
            self._publish()

    def _mend(self, one: Server) -> None:
        log.warning("%s has ended; starting it again", one.program.name)
        try:
            one.start()
        except LocalError as error:
            log.warning("%s", error)

    def _publish(self) -> None:
        servers = {one.program.name: one.running for one in self._servers if one.running}
        self._published = state.publish(self._home.state, state.State(os.getpid(), servers))
        log.info("running: %s", servers)

    def _withdraw(self) -> None:
        if self._published is not None:
            os.close(self._published)
            self._published = None


def main(folder: str) -> None:
    """Become a guard, if there is none, and return when its work is over.

    The starter gets the guard's standard output: the end of the file means "started", text means why not.
    """
    if os.fork():
        # Leaves the guard to the system, so that no client ends up with a dead child that it does not expect.
        os._exit(0)
    os.umask(0o077)
    _take_signals()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
    home = Home(Path(folder))
    lock = locks.take(home.lock(GUARD), locks.EXCLUSIVE, Deadline(LOCK_PATIENCE))
    if lock is None:
        return
    locks.note_pid(lock, os.getpid())
    _guard(Guard(home))


def _guard(guard: Guard) -> None:
    try:
        guard.start()
        _close_stdout()
        guard.watch()
    except Exception as error:
        log.exception("giving up")
        why = str(error) if isinstance(error, LocalError) else f"The guard of the embedded servers failed: {error!r}."
        sys.stdout.write(why)
    finally:
        _ignore_signals()
        guard.stop()
        log.info("stopped")


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    _ignore_signals()
    raise SystemExit


def _close_stdout() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main(sys.argv[1])
