"""The embedded Valkey (or Redis): TCP on the loopback interface, password, every write in the append-only file."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from signal import SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING, ClassVar

from triage.local import discovery, server
from triage.local.account import Account
from triage.local.home import write_private
from triage.local.ports import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from triage.local.home import Home

NAME = "valkey"
# The working folder is the data folder, so no path needs quoting here. The password is in this file, not on the
# command line, where other users would see it.
CONFIG = f"""\
bind {HOST}
requirepass {{password}}
dir .
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
tcp-backlog 128
"""


@dataclass(frozen=True)
class Valkey(server.Program):
    """A Valkey whose configuration is written."""

    name: ClassVar[str] = NAME
    end_signals: ClassVar[tuple[Signals, Signals, Signals]] = (SIGTERM, SIGTERM, SIGKILL)

    def command(self, port: int) -> list[str]:
        """Return the command line."""
        return [str(self.path), str(_config(self.home)), "--port", str(port)]

    def answers(self, port: int) -> bool:
        """Say whether our password opens the server and it has read its data."""
        hello = f"AUTH {self.home.password(NAME)}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((HOST, port), timeout=2) as connection, connection.makefile("rb") as replies:
                connection.sendall(hello)
                return [replies.readline(), replies.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False


def prepare(home: Home) -> Valkey:
    """Find the program and write its configuration; raises LocalError if there is none."""
    path = discovery.find_valkey()
    version = server.version([str(path), "--version"])
    home.data(NAME).mkdir(mode=0o700, exist_ok=True)
    home.make_password(NAME)
    write_private(_config(home), CONFIG.format(password=home.password(NAME)))
    return Valkey(home, path, version, Account.OWN)


def _config(home: Home) -> Path:
    return home.root / f"{NAME}.conf"
