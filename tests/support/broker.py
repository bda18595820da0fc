"""A broker of the tests' own: a Valkey that may be killed and started again on the same port."""

import contextlib
import signal
import socket
import subprocess
from pathlib import Path

import redis

from tests.support import waiting
from triage.local import discovery

HOST = "127.0.0.1"
PREFIX = "triage:"
"""What the product puts before every key."""


class BrokerProcess:
    """Every write is in its append-only file before it is answered, so a kill loses nothing that was acknowledged."""

    def __init__(self, folder: Path) -> None:
        """Takes a free port, and keeps it."""
        self._folder = folder
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{HOST}:{self._port}/0"

    def start(self) -> None:
        """Start, and return once it answers."""
        options = ["--bind", HOST, "--port", str(self._port), "--dir", str(self._folder), "--save", ""]
        durable = ["--appendonly", "yes", "--appendfsync", "always"]
        with (self._folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(discovery.find_valkey()), *options, *durable], stdout=log, stderr=log, start_new_session=True
            )
        waiting.until(self._answers, 10, self.log)

    def kill(self) -> None:
        """SIGKILL; whatever was not yet written is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def renew(self) -> None:
        """Be up and empty."""
        if self._process is None:
            self.start()
        self.flush()

    def flush(self) -> None:
        """Forget everything."""
        with self._client() as client:
            client.flushall()

    def length(self, queue: str) -> int:
        """How many messages wait in a queue."""
        with self._client() as client:
            return int(client.llen(PREFIX + queue))

    def log(self) -> str:
        """What it said."""
        return (self._folder / "broker.log").read_text()[-2_000:]

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self._client() as client:
            return bool(client.ping())
        return False

    def _client(self) -> redis.Redis:
        return redis.Redis(host=HOST, port=self._port, socket_timeout=5)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
