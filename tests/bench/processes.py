"""Child processes that always end, and what processes cost."""

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT = 20.0
"""Seconds until a process that was asked to end is killed."""


class Child:
    """A process that answers on standard output, line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Read its lines in a thread, so that every wait for one can be bounded."""
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def say(self, line: str) -> None:
        """Send it a line."""
        if self.process.stdin is None:
            raise AssertionError("started with a pipe")
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def line(self, timeout: float) -> str:
        """Its next line; raises RuntimeError if it ended, or said nothing for `timeout` seconds."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise RuntimeError(f"no answer from {self.process.args!r} for {timeout:.0f} s") from None
        if not line:
            raise RuntimeError(f"{self.process.args!r} ended with {self.process.wait(STOP_TIMEOUT)}")
        return line

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def child(arguments: Sequence[str], environment: Mapping[str, str], folder: Path, log: str) -> Iterator[Child]:
    """Run `python *arguments` in `folder`, with its standard error in a file there; ended on the way out."""
    with (folder / log).open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield Child(process)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """As Celery is stopped: TERM, then KILL."""
    process.send_signal(signal.SIGTERM)
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT)


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of these processes and all their children so far, the ended ones included."""
    return sum(_cpu(process) for pid in pids for process in _family(pid))


def memory_mb(pids: Sequence[int]) -> tuple[float, float]:
    """The sums of resident (RSS) and of proportional set sizes (PSS: shared pages counted once), in MB."""
    infos = [process.memory_full_info() for pid in pids for process in _family(pid)]
    return sum(info.rss for info in infos) / 1e6, sum(getattr(info, "pss", info.rss) for info in infos) / 1e6


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
