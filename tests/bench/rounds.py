"""One round of one system: idle latency, a drain, and a drain with a wait in the first stage."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import measure, systems
from tests.bench.measure import Memory, Submitter
from tests.bench.servers import Servers
from tests.bench.systems import Stub, System

WAIT_S = 1.0
BATCH = 200
FIGURES = ("runs_per_s", "p50_ms", "p95_ms", "cpu_ms_per_run", "wait_runs_per_s", "wait_rss_mb")


@dataclass(frozen=True)
class Sizes:
    """How many runs of each kind; a size of 0 leaves that measurement out."""

    runs: int
    samples: int
    wait_runs: int
    slots: int


@dataclass(frozen=True)
class Bench:
    """Everything that the rounds share."""

    servers: Servers
    stub: Stub
    folder: Path
    sizes: Sizes

    def round(self, system: System) -> dict[str, Any]:
        """Measure a system once; the figures by name."""
        return self._quick(system) | (self._waiting(system) if self.sizes.wait_runs else {})

    def _quick(self, system: System) -> dict[str, Any]:
        where = (system, self.servers, self.stub, self.folder)
        with systems.running(*where, slots=self.sizes.slots, wait=0) as running:
            submitter = Submitter(running)
            measure.warm_up(submitter)
            figures = self._idle(submitter)
            single = measure.drain(running, submitter, self.sizes.runs)
            figures |= {
                "runs_per_s": single.runs_per_s,
                "submits_per_s": single.submits_per_s,
                "cpu_ms_per_run": single.cpu_ms_per_run,
                "cpu_ms": single.cpu_ms,
                "stub_busy": single.stub_busy,
            }
            if system.name == "triage":
                batch = measure.drain(running, submitter, self.sizes.runs, BATCH)
                figures |= {"batch_runs_per_s": batch.runs_per_s, "batch_cpu_ms_per_run": batch.cpu_ms_per_run}
        tell(f"{system.name}: {single.runs_per_s:.0f} runs/s, {single.cpu_ms_per_run:.2f} ms of CPU per run")
        return figures

    def _idle(self, submitter: Submitter) -> dict[str, Any]:
        if not self.sizes.samples:
            return {}
        time.sleep(1)
        taken = measure.latency_ms(submitter, self.sizes.samples)
        return {"p50_ms": measure.percentile(taken, 50), "p95_ms": measure.percentile(taken, 95)}

    def _waiting(self, system: System) -> dict[str, Any]:
        where = (system, self.servers, self.stub, self.folder)
        with systems.running(*where, slots=systems.WAIT_SLOTS, wait=WAIT_S) as running, Memory(running) as memory:
            submitter = Submitter(running)
            measure.warm_up(submitter, systems.WAIT_SLOTS)
            drained = measure.drain(running, submitter, self.sizes.wait_runs)
        tell(f"{system.name}: {drained.runs_per_s:.0f} runs/s with a wait, {memory.rss:.0f} MB")
        return {
            "wait_runs_per_s": drained.runs_per_s,
            "wait_cpu_ms_per_run": drained.cpu_ms_per_run,
            "wait_rss_mb": memory.rss,
            "wait_pss_mb": memory.pss,
        }


def tell(line: str) -> None:
    """Show progress on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()
