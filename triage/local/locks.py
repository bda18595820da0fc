"""File locks that the kernel frees when their last holder dies, however it dies.

`flock` belongs to the open file, not to the process: a descriptor handed on by fork or exec carries the lock with it.
The servers are told apart from stale process ids by that: whoever runs holds its lock.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from triage.local.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from triage.local.waiting import Deadline

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX


def try_lock(descriptor: int, kind: int) -> bool:
    """Take the lock if nobody is in the way; return whether it is held now."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take(path: Path, kind: int, deadline: Deadline) -> int | None:
    """Lock the file, made with mode 0600 if missing; return its descriptor, or None if the deadline came first.

    Closing the descriptor frees the lock, unless a child has inherited it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        taken = wait_until(lambda: try_lock(descriptor, kind), deadline)
    except BaseException:
        os.close(descriptor)
        raise
    if taken:
        return descriptor
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Say whether somebody holds the exclusive lock on the file; a missing file is held by nobody."""
    with _opened(path) as descriptor:
        return descriptor is not None and not try_lock(descriptor, SHARED)


def note_pid(descriptor: int, pid: int) -> None:
    """Write into the lock file who holds it."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(pid).encode(), 0)


def holder(path: Path) -> int | None:
    """Return the process id noted in a lock file that is held; None when it is free or nothing is noted yet."""
    with _opened(path) as descriptor:
        if descriptor is None or try_lock(descriptor, SHARED):
            return None
        noted = os.pread(descriptor, 20, 0)
    return int(noted) if noted else None


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
