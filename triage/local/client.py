"""What a client does: attach to the servers, keep them, stop them, ask about them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from triage.local import home as homes
from triage.local import locks, postgres, server, state, valkey
from triage.local.errors import LocalError
from triage.local.home import GUARD
from triage.local.ports import HOST
from triage.local.waiting import Deadline, wait_until

if TYPE_CHECKING:
    from types import TracebackType

    from triage.local.home import Home
    from triage.local.state import State

START_LIMIT = timedelta(seconds=30)
STOP_LIMIT = timedelta(seconds=20)


@dataclass(frozen=True, repr=False)
class Endpoints:
    """Where the servers are, passwords included.

    `database_url` is for SQLAlchemy with psycopg 3 and leads to the database `triage`; `broker_url` is for Celery.
    """

    database_url: str
    broker_url: str

    def __repr__(self) -> str:
        """Show the addresses without the passwords."""
        shown = f"Endpoints(database_url={self.database_url!r}, broker_url={self.broker_url!r})"
        return re.sub(r":[^:@/]+@", ":***@", shown)


class Lease:
    """The promise that the servers stay until `close`, or until the process ends in whatever way.

    A forked child shares the lease: it is over when the last of them has closed it or ended.
    """

    def __init__(self, endpoints: Endpoints, descriptor: int) -> None:
        """Hold on to a descriptor that carries a shared lock on the lease file."""
        self.endpoints = endpoints
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        """Give the servers up; they stop soon after the last client has done so. May be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        """Return the lease itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the lease."""
        self.close()


@dataclass(frozen=True)
class ServerStatus:
    """One server: `postgres` or `valkey`.

    `version` and `port` are those of the last start. `pid` is None when it does not run. `data_bytes` is the summed
    length of the files in its data folder.
    """

    name: str
    version: str
    port: int
    pid: int | None
    data_bytes: int


@dataclass(frozen=True)
class Status:
    """The servers of one folder.

    `running`: both are up and can be joined. `kept`: they stay without clients. `guard_pid`: the process that
    watches over them, None if there is none. `servers` is empty if they were never started.
    """

    home: Path
    running: bool
    kept: bool
    guard_pid: int | None
    servers: tuple[ServerStatus, ...]


def attach(home: Path) -> Lease:
    """Join the servers in the folder `home`, which are started if they do not run, and hold on to them.

    The folder is made if missing, for its owner alone. Raises LocalError if the servers cannot be reached within
    30 s.
    """
    place = homes.make(home)
    deadline = Deadline(START_LIMIT)
    lease = _take_lease(place, deadline)
    try:
        return Lease(_endpoints(place, _live_state(place, deadline)), lease)
    except BaseException:
        os.close(lease)
        raise


def start(home: Path) -> None:
    """Start the servers, if they do not run, and let them run without a client until `stop`.

    They do not come back by themselves after a restart of the machine, but with the next `start` or `attach`.
    Raises LocalError as `attach` does.
    """
    with attach(home):
        homes.at(home).keep.touch(mode=0o600)


def stop(home: Path) -> None:
    """Stop the servers and come back when they are gone, also if clients are attached. Does nothing if none run.

    A client that is still attached finds them again, at the same addresses, when somebody starts them. Raises
    LocalError if they are not gone within 20 s.
    """
    place = homes.at(home)
    with homes.explained(place):
        place.keep.unlink(missing_ok=True)
        if place.lease.exists():
            _end_guard(place, Deadline(STOP_LIMIT))
            _end_leftovers(place)


def status(home: Path) -> Status:
    """Tell what runs in the folder `home`, without starting or making anything."""
    place = homes.at(home)
    with homes.explained(place):
        return _status(place)


def _status(place: Home) -> Status:
    live = state.read_live(place.state)
    known = live or state.read_last(place.state)
    servers = known.servers if known else {}
    return Status(
        home=place.root,
        running=live is not None,
        kept=place.keep.exists(),
        guard_pid=locks.holder(place.lock(GUARD)),
        servers=tuple(
            ServerStatus(name, one.version, one.port, one.pid if live else None, _size_bytes(place.data(name)))
            for name, one in sorted(servers.items())
        ),
    )


def _take_lease(place: Home, deadline: Deadline) -> int:
    lease = locks.take(place.lease, locks.SHARED, deadline)
    if lease is None:
        what = f"The embedded servers in {place.root} are being stopped, and that does not come to an end."
        raise LocalError.with_log(what, place.log(GUARD), "Run `triage local stop`, then try again.")
    return lease


def _live_state(place: Home, deadline: Deadline) -> State:
    """Wait for a published state, with a guard of our own where there is none.

    The loop also mends the case that another client's guard is killed, or loses the race for the lock.
    """
    while deadline.left_s:
        if live := state.read_live(place.state):
            return live
        if not locks.is_held(place.lock(GUARD)):
            _launch_guard(place, deadline)
        else:
            wait_until(lambda: not locks.is_held(place.lock(GUARD)) or bool(state.read_live(place.state)), deadline)
    raise _too_slow(place)


def _launch_guard(place: Home, deadline: Deadline) -> None:
    log = place.open_log(GUARD)
    try:
        guard = subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-P", "-m", "triage.local.guard", str(place.root)],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
            timeout=deadline.left_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(place) from error
    finally:
        os.close(log)
    if guard.stdout:
        raise LocalError(guard.stdout.strip())
    if guard.returncode:
        what = "The guard of the embedded servers could not be started."
        raise LocalError.with_log(what, place.log(GUARD), "Mend what the log names, then try again.")


def _environment() -> dict[str, str]:
    """Our environment, with the way to this package, without PostgreSQL's own variables: they change its defaults."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    ours = str(Path(__file__).resolve().parents[2])
    paths = [ours, *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(paths)}


def _endpoints(place: Home, live: State) -> Endpoints:
    database, broker = live.servers[postgres.NAME], live.servers[valkey.NAME]
    account = f"{postgres.USER}:{place.password(postgres.NAME)}"
    return Endpoints(
        database_url=f"postgresql+psycopg://{account}@{HOST}:{database.port}/{postgres.DATABASE}",
        broker_url=f"redis://:{place.password(valkey.NAME)}@{HOST}:{broker.port}/0",
    )


def _end_guard(place: Home, deadline: Deadline) -> None:
    lock = place.lock(GUARD)
    # A guard notes its process id just after it has taken the lock.
    wait_until(lambda: bool(locks.holder(lock)) or not locks.is_held(lock), deadline)
    pid = locks.holder(lock)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    if not wait_until(lambda: locks.holder(lock) != pid, deadline):
        what = f"The guard of the embedded servers (process {pid}) does not end."
        raise LocalError.with_log(what, place.log(GUARD), f"Run `kill -9 {pid}`: its servers end with it.")


def _end_leftovers(place: Home) -> None:
    """Wait for servers whose guard was killed; a new guard, if one has begun meanwhile, is left alone."""
    guard_lock = locks.take(place.lock(GUARD), locks.EXCLUSIVE, Deadline(timedelta()))
    if guard_lock is None:
        return
    try:
        for program in (postgres.Postgres, valkey.Valkey):
            os.close(server.take_over(place, program.name, program.end_signals[0]))
    finally:
        os.close(guard_lock)


def _too_slow(place: Home) -> LocalError:
    what = f"The embedded servers in {place.root} did not start within {START_LIMIT.total_seconds():.0f} s."
    return LocalError.with_log(what, place.log(GUARD), f"See also {place.log(postgres.NAME)}, then try again.")


def _size_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # A running server removes files while we look.
        with suppress(FileNotFoundError):
            total += path.lstat().st_size
    return total
