"""One worker as a child of this command, which ends with it in whatever way."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Self

from triage.local import home as homes
from triage.local.account import Account

NAME = "demo-worker"
SLOTS = 16
POLITE = timedelta(seconds=10)
"""How long the worker may take to end what it has begun."""


class Worker:
    """Runs between `with` and its end. Use from the main thread, since it dies with the thread that starts it."""

    def __init__(self, home: Path) -> None:
        """Its log goes into the folder `home`."""
        place = homes.make(home)
        self.log = place.log(NAME)
        self._output = place.open_log(NAME)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def ended(self) -> bool:
        """Whether it ended by itself, which it should not."""
        return self._process is None or self._process.poll() is not None

    def __enter__(self) -> Self:
        """Start it; comes back before it is ready."""
        self._process = subprocess.Popen(  # noqa: S603 - our own
            _command(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,  # Ctrl-C is for us: we end it
            **Account.OWN.options(signal.SIGTERM),  # the kernel's signal if we are killed
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it politely; at a second Ctrl-C, or after some seconds, at once."""
        process = self._process
        if process is None:
            return
        try:
            process.terminate()
            process.wait(POLITE.total_seconds())
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
            os.close(self._output)


def _command() -> list[str]:
    celery = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "--hostname", f"{NAME}-{os.getpid()}@%h"]
    return [*celery, "--pool", "threads", "--concurrency", str(SLOTS), "--loglevel", "WARNING", *_ALONE]


_ALONE = ("--without-mingle", "--without-gossip")
