"""What runs where, as the guard publishes it for clients.

The file is its own proof: the guard locks it before it appears under its name and keeps the lock while it is true.
A file that nobody locks was left by a guard that has stopped, however it stopped, and only tells the ports used last.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from triage.local import locks

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Running:
    """One server: its version (such as "18.6"), TCP port on 127.0.0.1, and process id."""

    version: str
    port: int
    pid: int


@dataclass(frozen=True)
class State:
    """The guard's process id and the servers by name: `postgres` and `valkey`."""

    guard_pid: int
    servers: dict[str, Running]


def publish(path: Path, state: State) -> int:
    """Put the state in place and return the descriptor that holds its lock; closing it withdraws the state."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    locks.try_lock(descriptor, locks.EXCLUSIVE)
    os.write(descriptor, json.dumps(asdict(state)).encode())
    fresh.replace(path)
    return descriptor


def read_live(path: Path) -> State | None:
    """Return the state if a living guard vouches for it, else None."""
    try:
        with path.open() as file:
            vouched = not locks.try_lock(file.fileno(), locks.SHARED)
            return _parse(file.read()) if vouched else None
    except FileNotFoundError:
        return None


def read_last(path: Path) -> State | None:
    """Return the state published last, true or not any more; None if there is none or it cannot be read."""
    try:
        return _parse(path.read_text())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse(text: str) -> State:
    raw = json.loads(text)
    return State(raw["guard_pid"], {name: Running(**server) for name, server in raw["servers"].items()})
