"""What is measured of a running system."""

import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import Self

from tests.bench.systems import Running

WARM_UP = 200


@dataclass(frozen=True)
class Drain:
    """Runs submitted one by one as fast as the client can, worked off at the same time, until the last notice.

    `cpu_ms` is per run, by part; `stub_busy` is the share of one core that the stub took.
    """

    runs_per_s: float
    submits_per_s: float
    cpu_ms: dict[str, float]
    stub_busy: float

    @property
    def cpu_ms_per_run(self) -> float:
        """Of all parts together, without the stub."""
        return sum(self.cpu_ms.values())


class Submitter:
    """Hands out report numbers, so that every report is a new one for this system."""

    def __init__(self, system: Running) -> None:
        """Count this system's notices from zero."""
        self._system = system
        self.submitted = 0

    def submit(self, runs: int, batch: int = 1) -> tuple[float, float]:
        """Submit new reports; when the first call began and the last one came back."""
        first, self.submitted = self.submitted, self.submitted + runs
        return self._system.submit(first, runs, batch)

    def finish(self) -> float:
        """When the last notice of all that was submitted arrived."""
        return self._system.stub.wait(self.submitted)


def warm_up(submitter: Submitter, runs: int = WARM_UP) -> None:
    """Open connections, fill caches, compile statements."""
    submitter.submit(runs)
    submitter.finish()


def latency_ms(submitter: Submitter, samples: int) -> list[float]:
    """Milliseconds from submitting one run to its notice's arrival, nothing else going on."""
    taken = []
    for _ in range(samples):
        began, _ = submitter.submit(1)
        taken.append((submitter.finish() - began) * 1000)
        time.sleep(0.01)  # let what comes after the notice (acknowledging, logging) end
    return taken


def drain(system: Running, submitter: Submitter, runs: int, batch: int = 1) -> Drain:
    """Throughput and cost of `runs` runs."""
    before = system.cpu()
    began, submitted = submitter.submit(runs, batch)
    ended = submitter.finish()
    time.sleep(0.3)  # what is done after the notice belongs to the run's cost
    spent = {name: seconds - before[name] for name, seconds in system.cpu().items()}
    stub_busy = spent.pop("stub") / (ended - began)
    cpu_ms = {name: seconds * 1000 / runs for name, seconds in spent.items()}
    return Drain(runs / (ended - began), runs / (submitted - began), cpu_ms, stub_busy)


@dataclass
class Memory:
    """The highest memory of the workers, in MB, looked at twice a second while the block lasts."""

    system: Running
    rss: float = 0.0
    pss: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._over.wait(0.5):
            rss, pss = self.system.memory()
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def percentile(values: list[float], share: int) -> float:
    """The `share`-th percentile, 1 to 99."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]
