"""The embedded PostgreSQL: TCP on the loopback interface, password (SCRAM) for everybody."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT, Signals
from typing import TYPE_CHECKING, ClassVar

import psycopg

from triage.local import account, discovery, server
from triage.local.errors import LocalError
from triage.local.ports import HOST

if TYPE_CHECKING:
    from triage.local.account import Account
    from triage.local.home import Home

NAME = "postgres"
USER = "triage"
DATABASE = "triage"
INITDB_LIMIT_S = 25
BUILTIN_LOCALE_SINCE = 17
IO_METHOD_SINCE = 18
STATUS_LINE = 7  # of postmaster.pid, counted from 0
# Small, because many may run on one machine; durable, because they hold real data.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a path below a deep folder would be too long for one
    "shared_buffers": "32MB",
    "max_connections": "100",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres(server.Program):
    """A PostgreSQL whose data folder exists."""

    name: ClassVar[str] = NAME
    # Fast, immediate, kill. Never SIGTERM: that waits for clients to leave.
    end_signals: ClassVar[tuple[Signals, Signals, Signals]] = (SIGINT, SIGQUIT, SIGKILL)

    def command(self, port: int) -> list[str]:
        """Return the command line; removes a process id file that would name a stranger."""
        data = self.home.data(NAME)
        _forget_stranger(data)
        settings = SETTINGS | ({"io_method": "sync"} if _major(self.version) >= IO_METHOD_SINCE else {})
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.path / "postgres"), "-D", str(data), "-p", str(port), *options]

    def answers(self, port: int) -> bool:
        """Say whether our password opens the server; makes the database `triage` when it is missing."""
        # Asked first, because a server that is still recovering writes every refused connection to its log.
        if not _says_ready(self.home.data(NAME)):
            return False
        try:
            with self._connect(port) as connection:
                query = "select 1 from pg_database where datname = %s"
                if not connection.execute(query, [DATABASE]).fetchone():
                    connection.execute(f'create database "{DATABASE}"')
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, port: int) -> psycopg.Connection:
        return psycopg.connect(
            host=HOST,
            port=port,
            user=USER,
            password=self.home.password(NAME),
            dbname="postgres",
            autocommit=True,
            connect_timeout=2,
            sslmode="disable",
            gssencmode="disable",
        )


def prepare(home: Home) -> Postgres:
    """Find the program, choose its account, and make the data folder if there is none yet.

    Raises LocalError if that is not possible, or if the folder was made by another major version.
    """
    runs_as, programs = account.choose(discovery.find_postgres(), home.root)
    version = server.version([str(programs / "postgres"), "--version"])
    data = home.data(NAME)
    for half in home.root.glob(f"{NAME}.new-*"):
        shutil.rmtree(half, ignore_errors=True)
    if not data.exists():
        _create(home, programs, runs_as, _major(version))
    _check_version(data, version)
    return Postgres(home, programs, version, runs_as)


def _create(home: Home, programs: Path, runs_as: Account, major: int) -> None:
    """Make the data folder under another name first, so that it is whole or not there.

    Not synced to disk here, which costs most of the time: within seconds the system does it, and there is nothing
    in it yet to lose.
    """
    home.make_password(NAME)
    runs_as.give(home.password_file(NAME))
    fresh = home.root / f"{NAME}.new-{secrets.token_hex(4)}"
    options = ["-U", USER, "-A", "scram-sha-256", "--pwfile", str(home.password_file(NAME)), "--no-sync"]
    locale = ["--encoding=UTF8", "--locale=C"]
    if major >= BUILTIN_LOCALE_SINCE:
        # Knows the letters of all languages, unlike "C", and is the same on every system.
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run_initdb(home, [str(programs / "initdb"), "-D", str(fresh), *options, *locale], runs_as)
    fresh.rename(home.data(NAME))


def _run_initdb(home: Home, command: list[str], runs_as: Account) -> None:
    log = home.open_log(NAME)
    try:
        done = subprocess.run(  # noqa: S603 - our own
            command,
            cwd=home.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            timeout=INITDB_LIMIT_S,
            check=False,
            **runs_as.options(SIGKILL),
        )
        how = f"ended with code {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired:
        how = f"was not ready after {INITDB_LIMIT_S} s"
    finally:
        os.close(log)
    if how:
        what = f"The data folder of PostgreSQL could not be made: initdb {how}."
        raise LocalError.with_log(what, home.log(NAME), "Mend what the log names, then start again.")


def _check_version(data: Path, version: str) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    if made_by != str(_major(version)):
        message = (
            f"The data in {data} was made by PostgreSQL {made_by}, but version {version} was found. "
            f"Install PostgreSQL {made_by} to use it, or move the folder away to begin with an empty one."
        )
        raise LocalError(message)


def _says_ready(data: Path) -> bool:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"


def _forget_stranger(data: Path) -> None:
    """Remove `postmaster.pid` if the process it names is somebody else now.

    In a container that starts again the same small numbers come back at once, and PostgreSQL believes that any
    process it may signal is its earlier self.
    """
    pid_file = data / "postmaster.pid"
    with suppress(OSError, IndexError):
        pid = pid_file.read_text().split()[0]
        if Path(f"/proc/{pid}/cwd").readlink() != data:
            pid_file.unlink()


def _major(version: str) -> int:
    return int(version.partition(".")[0])
