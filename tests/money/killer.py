"""Workers that are killed and started again, all the time."""

import random
import threading
from collections.abc import Sequence

from tests.support.workers import READY, WorkerProcess


class Killer(threading.Thread):
    """Kills one that serves about every `seconds`, in a seeded order, and starts it again at once."""

    def __init__(self, workers: Sequence[WorkerProcess], seconds: float, seed: int) -> None:
        """Starts with `start`."""
        super().__init__(name="killer", daemon=True)
        self._workers, self._seconds = workers, seconds
        self._random = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self._stopping = threading.Event()
        self.kills = 0

    def run(self) -> None:
        """Kill until stopped."""
        while not self._stopping.wait(self._seconds * self._random.uniform(0.5, 1.5)):
            order = self._random.sample(self._workers, len(self._workers))
            worker = next((one for one in order if READY in one.logs()), None)
            if worker is not None:
                worker.kill()
                worker.start()
                self.kills += 1

    def stop(self) -> None:
        """End once the worker that was killed last is started again."""
        self._stopping.set()
        self.join(30)
