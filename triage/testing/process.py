"""The tool server in a process of its own."""

import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from triage.testing.controls import Controls

STOP_TIMEOUT = 5.0
"""Seconds to wait for the process to end by itself."""


class ToolProcess(Controls):
    """A tool server that survives the death of those who call it, and ends with the process that started it."""

    def __init__(self, port: int = 0, **settings: float | bool) -> None:
        """Serves once entered; `settings` are fields of `Settings`, and port 0 takes a free one."""
        super().__init__("")
        self._port = port
        self._settings = settings
        self._process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        """Start, and return once it listens; raises RuntimeError if it ended instead."""
        command = [sys.executable, "-m", "triage.testing", "--port", str(self._port), "--until-eof"]
        options = ["--settings", json.dumps(self._settings)]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = json.loads(self._first_line())["url"]
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

    def _first_line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            self._process.communicate()
            raise RuntimeError(f"the tool server ended with status {self._process.returncode}")
        return line
