"""The clock of deadlines: monotonic, and going on while the machine sleeps."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds since some moment in the past; only differences mean anything, and only on this machine.

    A clock that stands still in suspend would let a call leave hours after its deadline, when others have long sent it
    again.
    """
    return time.clock_gettime(_CLOCK)
