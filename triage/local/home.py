"""The folder that holds everything of one pair of servers: data, passwords, logs, locks.

- `lease`: every client holds a shared lock on it
- `guard.lock`: the guard process holds an exclusive lock on it
- `state.json`: what runs where, locked by the guard as long as it is true
- `keep`: if present, the servers stay although no client is attached
- `postgres`, `valkey`: the data, and beside each its password, lock and log
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triage.local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GUARD = "guard"
LOG_LIMIT_BYTES = 2_000_000


@dataclass(frozen=True)
class Home:
    """The paths inside the folder `root` (absolute)."""

    root: Path

    @property
    def lease(self) -> Path:
        """The file every client holds a shared lock on."""
        return self.root / "lease"

    @property
    def state(self) -> Path:
        """The published state, see `triage.local.state`."""
        return self.root / "state.json"

    @property
    def keep(self) -> Path:
        """The mark that the servers shall stay without clients."""
        return self.root / "keep"

    def data(self, server: str) -> Path:
        """Return the folder with a server's data."""
        return self.root / server

    def lock(self, holder: str) -> Path:
        """Return the lock file of a server, or of the guard."""
        return self.root / f"{holder}.lock"

    def log(self, writer: str) -> Path:
        """Return the log file of a server, or of the guard."""
        return self.root / f"{writer}.log"

    def password_file(self, server: str) -> Path:
        """Return the file with a server's password; may not exist yet."""
        return self.root / f"{server}.password"

    def password(self, server: str) -> str:
        """Return a server's password, 48 hexadecimal digits."""
        return self.password_file(server).read_text()

    def make_password(self, server: str) -> None:
        """Make a password up for a server that has none yet."""
        path = self.password_file(server)
        if not path.exists():
            write_private(path, secrets.token_hex(24))

    def open_log(self, writer: str) -> int:
        """Open a log file for appending and return its descriptor; a long one is set aside as `.log.1` first."""
        path = self.log(writer)
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def make(path: Path) -> Home:
    """Make the folder, open to its owner alone (mode 0700), or check one that is there.

    Raises LocalError for a folder with other contents that others may read: tightening it could lock them out of
    something that is not ours, such as a home directory named by mistake.
    """
    home = at(path)
    with explained(home):
        home.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(home.root.stat().st_mode) & 0o077:
            _tighten(home)
        home.lease.touch(mode=0o600)
    return home


@contextmanager
def explained(home: Home) -> Iterator[None]:
    """Turn the system's refusal of a file, such as in somebody else's folder, into a LocalError."""
    try:
        yield
    except OSError as error:
        message = f"The folder {home.root} cannot be used: {error}. Choose one that belongs to you."
        raise LocalError(message) from error


def at(path: Path) -> Home:
    """Name the folder without touching it."""
    return Home(path.expanduser().resolve())


def write_private(path: Path, text: str) -> None:
    """Replace a file by one of mode 0600, so that a reader sees the old text or the new one, never a half."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def _tighten(home: Home) -> None:
    if any(home.root.iterdir()) and not home.lease.exists():
        message = (
            f"The folder {home.root} holds other files and is open to other users; passwords will not be put there. "
            "Choose an empty folder, or run `chmod 700` on this one."
        )
        raise LocalError(message)
    home.root.chmod(0o700)
