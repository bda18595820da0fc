"""The system clock of one worker jumps by hours, and back, where libfaketime is installed (Debian: `libfaketime`)."""

import os
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.schedule import Event, Kind

CLOCK_WORKER = 2
"""The worker whose clock can jump; the others' cannot."""
JUMP = 7_200
"""Seconds."""
PLACES = ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib")
NAME = "libfaketimeMT.so.1"


def library() -> str:
    """Where libfaketime is (`LIBFAKETIME` may name it); empty if it is not installed."""
    named = os.environ.get("LIBFAKETIME", "")
    found = (str(path) for place in PLACES for path in Path(place).glob(f"**/faketime/{NAME}"))
    return named or next(found, "")


def possible(events: Sequence[Event]) -> tuple[Event, ...]:
    """The events without the jumps, if they cannot be made."""
    return tuple(event for event in events if event.kind is not Kind.CLOCK_JUMPED or library())


def environment(folder: Path) -> dict[str, str]:
    """What a process is started with whose clock `set_clock` changes; nothing without the library."""
    if not library():
        return {}
    set_clock(folder, 0)
    return {
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(_file(folder)),
        "FAKETIME_CACHE_DURATION": "1",
        # Only the clock that people set jumps; the monotonic one does not, nor do the times of files.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def set_clock(folder: Path, offset: int) -> None:
    """Let the clock be wrong by so many seconds, within a second."""
    _file(folder).write_text(f"{offset:+d}\n")


def _file(folder: Path) -> Path:
    return folder / "clock"
