"""What a proxy saw, and what it is told to break."""

import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from triage.testing.faults import NO_FAULT, Fault
from triage.testing.proxy.caller import Answer, Asked
from triage.testing.proxy.controls import Exchange

KEPT = 1000
"""How many requests are remembered."""
READS = {"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"}
IsWrite: TypeAlias = Callable[[str, str, bytes], bool]
"""Whether a request changes something, from its method, its path with the query, and its body."""
Step: TypeAlias = Fault | Answer


def is_write(method: str, path: str, body: bytes) -> bool:  # noqa: ARG001 - other systems look at all three
    """By the method alone."""
    return method not in READS


@dataclass(frozen=True, slots=True)
class Entry:
    """A scripted step and the requests that it waits for."""

    step: Step
    reads: bool
    match: re.Pattern[str]

    @classmethod
    def parse(cls, wish: Mapping[str, Any]) -> "list[Entry]":
        """From the body of a control call; ValueError or `re.error` if it is none."""
        match = re.compile(wish["match"])
        return [cls(_step(fields), bool(wish["reads"]), match) for fields in wish["steps"]]

    def meets(self, asked: Asked, *, write: bool) -> bool:
        """Whether it waits for this request."""
        text = f"{asked.method} {asked.path}\n{asked.body.decode('latin-1')}"
        return write is not self.reads and self.match.search(text) is not None


@dataclass(slots=True)
class Book:
    """Counts, requests and the script; used by all threads of the proxy."""

    writes: int = 0
    forwarded: int = 0
    requests: deque[Exchange] = field(default_factory=lambda: deque(maxlen=KEPT))
    _script: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arrived(self, asked: Asked, *, write: bool) -> Step:
        """Write a request down; what it is to meet."""
        with self._lock:
            step = self._take(asked, write=write)
            fault = step.kind.value if isinstance(step, Fault) else "answer"
            exchange = Exchange(asked.method, asked.path, asked.headers, asked.body, write, fault)
            self.requests.append(exchange)
            self.writes += write
            return step

    def committed(self) -> None:
        """Count a write that the target has answered."""
        with self._lock:
            self.forwarded += 1

    def script(self, entries: list[Entry]) -> None:
        """Put these behind those that are there."""
        with self._lock:
            self._script += entries

    def counts(self) -> dict[str, int]:
        """All counts."""
        with self._lock:
            return {"writes": self.writes, "forwarded": self.forwarded, "unmet": len(self._script)}

    def listing(self) -> list[dict[str, Any]]:
        """The remembered requests."""
        with self._lock:
            return [exchange.as_json() for exchange in self.requests]

    def _take(self, asked: Asked, *, write: bool) -> Step:
        for entry in self._script:
            if entry.meets(asked, write=write):
                self._script.remove(entry)
                return entry.step
        return NO_FAULT


def _step(fields: Mapping[str, Any]) -> Step:
    return Answer.parse(fields["answer"]) if "answer" in fields else Fault.parse(fields["fault"])
