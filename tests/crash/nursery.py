"""The harness's side of the zygote: children that can be waited for and killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
START_LIMIT = 60.0
"""Seconds for the zygote's imports, or for a fork."""


class Child:
    """A forked process."""

    def __init__(self, number: int, nursery: "Nursery", folder: Path, name: str) -> None:
        """Not started yet."""
        self.log = folder / f"{name}.log"
        self.trace = folder / f"{name}.trace"
        self.status: int | None = None
        self.ended_at = 0.0
        self.began_at = time.monotonic()
        self.started = threading.Event()
        self.ended = threading.Event()
        self._number = number
        self._nursery = nursery

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status == -signal.SIGKILL

    def kill(self, number: signal.Signals = signal.SIGKILL, *, wait: bool = True) -> None:
        """Send a signal, if it still runs, and wait for its end."""
        if not self.ended.is_set():
            self._nursery.tell({"kind": "kill", "id": self._number, "signal": int(number)})
        if wait and not self.ended.wait(START_LIMIT):
            raise TimeoutError(f"{self.log} does not end")

    def tail(self, lines: int = 15) -> str:
        """The last of what it said."""
        said = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n".join([f"--- {self.log.name}, status {self.status}", *said])


class Nursery:
    """A zygote, and the thread that hears from it. Children end with it."""

    def __init__(self, trade: str) -> None:
        """Started once entered; children call `main` of the module `trade`."""
        self._trade = trade
        self._numbers = count(1)
        self._children: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._process: subprocess.Popen[bytes]
        self._ears: threading.Thread

    def __enter__(self) -> Self:
        """Start, and return once everything is imported."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith(("TRIAGE_", "OTEL_", "CRASH_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote", self._trade],
            cwd=ROOT,
            env=clean | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._ears = threading.Thread(target=self._hear, name="nursery", daemon=True)
        self._ears.start()
        if not self._ready.wait(START_LIMIT):
            raise TimeoutError("the zygote did not get ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all children."""
        self.close()

    def close(self) -> None:
        """As `__exit__`; whoever waits for a child is told that it has ended."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._ears.join(START_LIMIT)

    def start(self, folder: Path, name: str, environment: Mapping[str, str], **wish: Any) -> Child:
        """Fork a child that works in `folder`, where its log and the points that it reaches are written."""
        with self._lock:
            number = next(self._numbers)
            child = self._children[number] = Child(number, self, folder, name)
        given = {"CRASH_RECORD": str(child.trace), **environment}
        place = {"name": name, "log": str(child.log), "folder": str(folder)}
        self.tell({"id": number, "environment": given, **place, **wish})
        if not child.started.wait(START_LIMIT):
            raise TimeoutError(f"{name} was not started")
        return child

    def tell(self, wish: dict[str, Any]) -> None:
        """Send the zygote a line."""
        line = json.dumps(wish).encode() + b"\n"
        with self._lock:
            if self._process.stdin is None:
                raise AssertionError("the zygote has no ears")
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _hear(self) -> None:
        with self._process.stdout or contextlib.nullcontext([]) as lines:
            for line in lines:
                self._note(json.loads(line))
        for child in self._children.values():
            child.started.set()
            child.ended.set()

    def _note(self, heard: dict[str, Any]) -> None:
        if "ready" in heard:
            self._ready.set()
            return
        child = self._children[heard["id"]]
        if "status" in heard:
            child.status, child.ended_at = heard["status"], heard["at"]
            child.ended.set()
        child.started.set()
