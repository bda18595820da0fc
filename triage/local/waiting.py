"""Bounded waiting: nothing in this package waits without a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

PAUSE_S = 0.02


class Deadline:
    """A moment on the monotonic clock, so that a change of the wall clock neither ends nor prolongs a wait."""

    def __init__(self, limit: timedelta) -> None:
        """Set the deadline `limit` from now."""
        self._end = time.monotonic() + limit.total_seconds()

    @property
    def left_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())


def wait_until(condition: Callable[[], bool], deadline: Deadline) -> bool:
    """Ask `condition` about every 20 ms, at least once; return whether it came true in time."""
    while not condition():
        if not deadline.left_s:
            return False
        time.sleep(PAUSE_S)
    return True
