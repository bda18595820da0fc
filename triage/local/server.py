"""One server process: started, waited for, started again, stopped."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from triage.local import locks, ports
from triage.local.errors import LocalError
from triage.local.state import Running
from triage.local.waiting import Deadline, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from signal import Signals

    from triage.local.account import Account
    from triage.local.home import Home

START_LIMIT = timedelta(seconds=25)
LEFTOVER_LIMIT = timedelta(seconds=10)
LEFTOVER_PATIENCE = timedelta(seconds=1)
# How long to wait after the first, the second and the last of a program's `end_signals`: 18 s in all.
STOP_LIMITS = (timedelta(seconds=12), timedelta(seconds=4), timedelta(seconds=2))
PORT_TRIES = 3
CALM_S = 60.0
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True)
class Program(ABC):
    """A server program that is ready to be started.

    `end_signals` holds three signals, from the polite one to the last resort. The first is also the one that the
    server gets from the kernel when the guard dies.
    """

    home: Home
    path: Path
    version: str
    account: Account
    name: ClassVar[str]
    end_signals: ClassVar[tuple[Signals, Signals, Signals]]

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Return the command line; called when nothing uses the data any more, so it may clear what was left."""

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Say whether the server on that port is ours and ready for clients."""


class Server:
    """A program and its process, if it runs. Use from the main thread only."""

    def __init__(self, program: Program, port: int | None) -> None:
        """Start nothing yet; `port` is the one used last, if any. `running` is what the last start came to."""
        self.program = program
        self.running: Running | None = None
        self._port = ports.choose(port)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._started_s = 0.0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def due(self) -> bool:
        """Whether the server is dead and may be started again: at once, then after growing pauses up to 5 s."""
        pause_s = min(LONGEST_PAUSE_S, 0.25 * 2**self._failures) if self._failures else 0.0
        return not self.alive and time.monotonic() >= self._started_s + pause_s

    def start(self) -> None:
        """Start the process and come back when it answers, on the port used last if that is free.

        Raises LocalError if it ends or does not answer within 25 s; no process is left then.
        """
        self._count_failure()
        for _ in range(PORT_TRIES):
            pid = self._spawn()
            in_time = wait_until(self._settled, Deadline(START_LIMIT))
            if in_time and self.alive:
                self.running = Running(self.program.version, self._port, pid)
                return
            failure = self._failed(f"ended with code {self._code}" if in_time else "did not answer in time")
            stop([self])
            if ports.is_free(self._port):
                raise failure
        # Somebody else took the port between the choice and the start, three times.
        raise failure

    def signal(self, number: Signals) -> None:
        """Send a signal to the process if it runs."""
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    @property
    def _code(self) -> int | None:
        return self._process.poll() if self._process else None

    def _count_failure(self) -> None:
        now = time.monotonic()
        first = self._process is None
        calm = now - self._started_s > CALM_S
        self._failures = 0 if first or calm else self._failures + 1
        self._started_s = now

    def _spawn(self) -> int:
        try:
            return self._spawn_under_lock()
        except (OSError, subprocess.SubprocessError) as error:
            how = f"could not be started: {error}"
            raise self._failed(how) from error

    def _spawn_under_lock(self) -> int:
        home, program = self.program.home, self.program
        lock = take_over(home, program.name, program.end_signals[0])
        log = home.open_log(program.name)
        try:
            self._port = ports.choose(self._port)
            self._process = subprocess.Popen(  # noqa: S603 - our own
                program.command(self._port),
                cwd=home.data(program.name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # The server and its children hold the lock from now on; our own copy is closed below.
                pass_fds=[lock],
                **program.account.options(program.end_signals[0]),
            )
            locks.note_pid(lock, self._process.pid)
            return self._process.pid
        finally:
            os.close(log)
            os.close(lock)

    def _settled(self) -> bool:
        return not self.alive or self.program.answers(self._port)

    def _failed(self, how: str) -> LocalError:
        name = self.program.name
        what = f"The embedded {name} {self.program.version} {how}."
        return LocalError.with_log(what, self.program.home.log(name), "Mend what the log names, then start again.")


def stop(servers: list[Server]) -> None:
    """Stop the servers side by side, politely at first; the last resort after 16 s is a kill, and 18 s is the end."""
    for step, limit in enumerate(STOP_LIMITS):
        for server in servers:
            server.signal(server.program.end_signals[step])
        if wait_until(lambda: not any(server.alive for server in servers), Deadline(limit)):
            return


def take_over(home: Home, name: str, polite: Signals) -> int:
    """Wait until nothing of an earlier server runs; return the descriptor of its lock.

    Usually the kernel has told it to end when its guard died. Where it does not (macOS), it is asked here after
    1 s. Raises LocalError if it still runs after 10 s.
    """
    path = home.lock(name)
    lock = locks.take(path, locks.EXCLUSIVE, Deadline(LEFTOVER_PATIENCE))
    if lock is None and (pid := locks.holder(path)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, polite)
    if lock is None:
        lock = locks.take(path, locks.EXCLUSIVE, Deadline(LEFTOVER_LIMIT))
    if lock is None:
        what = f"An earlier {name} (process {locks.holder(path)}) still runs in {home.root} and does not end."
        raise LocalError.with_log(what, home.log(name), "End that process, then try again.")
    return lock


def version(command: list[str]) -> str:
    """Return the version number in what a program prints about itself, such as "18.6" or "9.1.2".

    Raises LocalError if it cannot be run.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - our own
    except (OSError, subprocess.SubprocessError) as error:
        message = f"{command[0]} cannot be run on this machine: {error}. Remove it or install another one."
        raise LocalError(message) from error
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return found.group() if found else done.stdout.strip()
