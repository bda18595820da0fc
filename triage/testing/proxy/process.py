"""The proxy in a process of its own."""

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

from triage.testing.process import STOP_TIMEOUT
from triage.testing.proxy.book import IsWrite, is_write
from triage.testing.proxy.controls import ProxyControls


class ProxyProcess(ProxyControls):
    """A proxy that survives the death of those who call it, and ends with the process that started it."""

    def __init__(self, target_url: str, is_write: IsWrite = is_write, port: int = 0) -> None:
        """Serves once entered; `is_write` must be a function that the process can import by its name."""
        super().__init__("")
        self._arguments = ["--target", target_url, "--port", str(port)]
        self._arguments += ["--is-write", f"{is_write.__module__}:{is_write.__qualname__}"]
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        """Start, and return once it listens; raises RuntimeError if it ended instead."""
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "triage.testing.proxy", *self._arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.communicate()
            raise RuntimeError(f"the proxy ended with status {self._process.returncode}")
        self.url = json.loads(line)["url"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask it to end, and make it end."""
        self._process.terminate()
        try:
            self._process.communicate(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
