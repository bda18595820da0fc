"""A worker as it is run in earnest: a process, in a session of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import waiting

ROOT = Path(__file__).parents[2]
READY = " ready."
START_LIMIT = 30.0
COMMAND = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--pool", "threads"]
QUIET = ["--without-mingle", "--without-gossip"]


class WorkerProcess:
    """Its log is a file; `settings` are environment variables on top of a clean environment."""

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: Mapping[str, str],
        *,
        queues: Sequence[str] = (),
        slots: int = 4,
        level: str = "",
    ) -> None:
        """Starts nothing yet. Without `queues` it serves all of them."""
        self.name = name
        self._folder = folder
        self._environment = _clean(os.environ) | {"PYTHONPATH": str(ROOT)} | dict(settings)
        self._command = [*COMMAND, "--concurrency", str(slots), "-n", f"{name}@%h", *QUIET]
        self._command += ["-Q", ",".join(queues)] if queues else []
        self._command += ["--loglevel", level] if level else []
        self._path = folder / f"{name}.log"
        self._began = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs (or is stopped, but not ended)."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id, which the state knows it by as well."""
        if self.process is None:
            raise AssertionError(f"{self.name} was not started")
        return self.process.pid

    def start(self) -> None:
        """Start; `wait_ready` says when it serves. It runs outside the checkout, where no settings file lies."""
        with self._path.open("ab") as log:
            self._began = log.tell()
            self.process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait_ready(self) -> None:
        """Return once it takes messages."""
        waiting.until(lambda: READY in self.logs() or not self.alive, START_LIMIT, self.tail)
        assert self.alive, f"{self.name} ended instead of getting ready:\n{self.tail()}"

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal: SIGKILL to the whole session, any other to the process alone."""
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
                self.wait_end()
            else:
                os.kill(self.pid, number)

    def wait_end(self, seconds: float = 10.0) -> int:
        """The exit status, once it has ended."""
        if self.process is None:
            raise AssertionError(f"{self.name} was not started")
        waiting.until(lambda: not self.alive, seconds, lambda: f"{self.name} still runs:\n{self.tail()}")
        return self.process.returncode

    def logs(self) -> str:
        """What it said since its last start."""
        if not self._path.exists():
            return ""
        with self._path.open("rb") as log:
            log.seek(self._began)
            return log.read().decode(errors="replace")

    def tail(self, lines: int = 25) -> str:
        """The last of what it said."""
        said = self.logs().splitlines()[-lines:]
        return "\n".join([f"--- {self.name}", *said])


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would set up the product in a way that the test does not know."""
    return {name: text for name, text in environment.items() if not name.startswith(("TRIAGE_", "OTEL_"))}
