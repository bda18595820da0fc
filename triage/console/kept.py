"""Answers that are kept for a while, so that pages which ask for themselves cost the database little."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from triage import clock

SHARE = 0.05
"""The share of the time that may go into asking again: what took a second counts for twenty."""
LONGEST = 120.0
"""Seconds after which everything is asked again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    value: T
    until: float


class Kept(Generic[T]):
    """Answers by their questions, of which there are few, for all visitors. Visitors of one moment ask once."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._answers: dict[str, _Answer[T]] = {}

    def get(self, question: str, ask: Callable[[], T]) -> T:
        """The answer, from a moment ago or from now; whatever `ask` raises is raised and not kept."""
        with self._lock:
            found = self._answers.get(question)
            if found is None or clock.now() > found.until:
                began = clock.now()
                value = ask()
                took = clock.now() - began
                found = self._answers[question] = _Answer(value, clock.now() + min(took / SHARE, LONGEST))
            return found.value
