"""Hundreds of waits for a model in one worker process: `python -m tests.bench.waits`.

The worker is the product's, with the real client library; the provider answers right, after a fixed time, in a process
of its own. All reports are submitted before the worker starts, so its slots always find work. What is measured lies
between the second and the last but one wave: throughput against the ideal, which is slots divided by the wait.
"""

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy

from tests.bench import servers, systems
from tests.bench.processes import Child, child
from triage.model import Report
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.testing.provider import ProviderServer

PRICES = {"compatible:some-model": {"input": "1", "output": "5"}}
BATCH = 500
PATIENCE = 120.0
"""Seconds."""
SYLLABLES = [
    first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "ar", "el", "in", "os")
]
TOOK = sqlalchemy.text("select seconds from attempt where stage = 'triage' and outcome = 'finished' order by ended_at")
DONE = sqlalchemy.text("select count(*) from run where status = 'done'")


@dataclass(frozen=True, slots=True)
class Result:
    """`wait`, and `p50` and `p95` of the first stage, in seconds; runs a second, memory in MB, CPU in ms a run."""

    slots: int
    wait: float
    runs: int
    ideal: float
    reached: float
    p50: float
    p95: float
    most_at_once: int
    rss: float
    cpu: float

    @property
    def share(self) -> float:
        """Of the ideal."""
        return self.reached / self.ideal


def main() -> int:
    """Measure with each wait, print the table, write the JSON; 1 if the first wait's share is below `--least`."""
    options = _options()
    if options.provider is not None:
        return _provide(options.provider)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through all `finally` blocks, so that no process stays
    with tempfile.TemporaryDirectory(prefix="triage-waits-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with servers.running(folder / "home") as private:
            results = [_measure(private, folder, options, wait) for wait in options.waits]
    print(_table(results))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([asdict(one) | {"share": one.share} for one in results], indent=1) + "\n")
    return int(results[0].share < options.least)


def _measure(private: servers.Servers, folder: Path, options: argparse.Namespace, wait: float) -> Result:
    runs = options.slots * options.waves
    with private.place() as place, _provider(folder, wait) as provider:
        database = Database(place.database_url)
        _submit(database, runs)
        with _worker(folder, place, provider.line(PATIENCE).strip(), options.slots) as worker:
            provider.say(str(2 * options.slots))
            provider.line(PATIENCE)
            before = _cpu(worker)
            _profile(worker, options.profile)
            provider.say(str(runs - options.slots))
            seen = json.loads(provider.line(PATIENCE + runs / options.slots * wait * 3))
            cpu, rss = _cpu(worker) - before, psutil.Process(worker.pid).memory_info().rss / 1e6
            _wait_done(database, runs)
        took = [float(row[0]) for row in database.read(TOOK)][2 * options.slots : runs - options.slots]
        database.close()
    arrivals = seen["arrivals"]
    steady = runs - 3 * options.slots
    reached = steady / (arrivals[-1] - arrivals[-1 - steady])
    cuts = statistics.quantiles(took, n=100)
    figures = (cuts[49], cuts[94], seen["most_at_once"], rss, 1000 * cpu / steady)
    return Result(options.slots, wait, runs, options.slots / wait, reached, *figures)


def _submit(database: Database, runs: int) -> None:
    """Reports that no rule knows, and of which no two are alike."""
    store, chance = PostgresStore(database), random.Random(7)  # noqa: S311 - texts, no secrets
    for start in range(0, runs, BATCH):
        store.submit_many([_report(number, chance) for number in range(start, min(start + BATCH, runs))], None)


def _report(number: int, chance: random.Random) -> Report:
    words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(60)]
    title, body = " ".join(words[:6]), " ".join(words[6:])
    return Report(source="bench", source_id=str(number), reporter=f"r{number}", title=title, body=body)


@contextmanager
def _provider(folder: Path, wait: float) -> Iterator[Child]:
    with child(
        ["-m", "tests.bench.waits", "--provider", str(wait)], systems._clean(), folder, "provider.log"
    ) as process:
        yield process


@contextmanager
def _worker(folder: Path, place: servers.Place, url: str, slots: int) -> Iterator[Child]:
    model = {"provider": "compatible", "model": "some-model", "base_url": f"{url}/v1", "api_key": "opens-nothing"}
    free = dict.fromkeys(("run", "source", "day", "month", "total", "reporter", "asks"))
    environment = systems._clean() | {
        "TRIAGE_DATABASE_URL": place.database_url,
        "TRIAGE_BROKER_URL": place.broker_url,
        "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
        "TRIAGE_SLOTS": str(slots),
        "TRIAGE_QUEUE_LOW": str(2 * slots),
        "TRIAGE_QUEUE_HIGH": str(4 * slots),
        "TRIAGE_LLM": json.dumps({"model": model, "prices": PRICES, "budgets": free}),
    }
    with child(systems._worker("workers.app", 0), environment, folder, "worker.log") as process:
        yield process


def _provide(wait: float) -> int:
    """Serve. For each number on standard input, say when so many requests have arrived, and when each one did."""
    with Timed(latency=wait) as server:
        print(server.url, flush=True)
        for line in sys.stdin:
            while server.count < int(line):
                time.sleep(0.02)
            print(json.dumps({"arrivals": server.arrivals, "most_at_once": server.most_at_once}), flush=True)
    return 0


@dataclass
class Timed(ProviderServer):
    """Knows when each request arrived."""

    arrivals: list[float] = field(default_factory=list)

    def handle(self, *arrived: Any) -> None:
        """Note the time, and answer."""
        self.arrivals.append(time.monotonic())
        super().handle(*arrived)


def _profile(worker: Child, out: Path | None) -> None:
    """Sample for ten seconds all threads that hold the interpreter lock."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "-f", "raw", "-o", str(out), "-d", "10"]
        options = ["-r", "250", "--gil", "--threads", "--full-filenames", "--pid", str(worker.pid)]
        subprocess.run([*command, *options], check=True, timeout=60, stdout=subprocess.DEVNULL)


def _cpu(worker: Child) -> float:
    times = psutil.Process(worker.pid).cpu_times()
    return float(times.user + times.system)


def _wait_done(database: Database, runs: int) -> None:
    until = time.monotonic() + PATIENCE
    while int(database.read(DONE)[0][0]) < runs:
        if time.monotonic() > until:
            raise TimeoutError(f"not all {runs} runs are done after {PATIENCE:g} s")
        time.sleep(0.2)


def _table(results: Sequence[Result]) -> str:
    lines = ["wait   slots  runs   ideal/s  reached/s  share   p50      p95      at once  RSS      CPU/run"]
    lines += [
        f"{one.wait:g} s    {one.slots}    {one.runs:<5}  {one.ideal:6.1f}   {one.reached:6.1f}    {one.share:6.1%}  "
        f"{one.p50:.2f} s   {one.p95:.2f} s   {one.most_at_once:<7}  {one.rss:.0f} MB   {one.cpu:.1f} ms"
        for one in results
    ]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.waits", description="Waits for a model, in one process."
    )
    add = parser.add_argument
    add("--slots", type=int, default=200, help="waits at once")
    add(
        "--waits",
        type=float,
        nargs="+",
        default=[3.0, 1.0],
        help="seconds until the model answers, of each measurement",
    )
    add("--waves", type=int, default=14, help="runs for each slot; the first two and the last are not measured")
    add("--least", type=float, default=0.9, help="share of the ideal that the first measurement has to reach")
    add("--json", type=Path, default=Path("build/waits.json"), help="where the figures are written")
    add("--profile", type=Path, help="sample the worker meanwhile; raw stacks go here")
    add("--provider", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
