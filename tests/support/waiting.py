"""Bounded waits."""

import time
from collections.abc import Callable

import pytest

POLL = 0.05


def until(condition: Callable[[], object], seconds: float, otherwise: Callable[[], str]) -> float:
    """Wait for a true answer and return how many seconds it took; fail with `otherwise()` when it takes too long."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"after {seconds:g} s: {otherwise()}")
        time.sleep(POLL)
    return time.monotonic() - began
