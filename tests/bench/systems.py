"""The two systems under test: how their workers and their client are started, and what they are told."""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.processes import Child, child, cpu_seconds, memory_mb
from tests.bench.servers import Place, Servers

WORKERS = 2
PATIENCE = 180.0
"""Seconds until a wait for notices is given up."""
WAIT_SLOTS = 200


@dataclass(frozen=True)
class System:
    """A system by its Celery apps: the usual one, and the one whose first stage waits."""

    name: str
    app: str
    waiting_app: str
    environment: dict[str, str] = field(default_factory=dict)


SYSTEMS = {
    "bare": System("bare", "tests.bench.bare", "tests.bench.bare"),
    "bare_lean": System("bare_lean", "tests.bench.bare", "tests.bench.bare", {"BENCH_LEAN": "1"}),
    "triage": System("triage", "workers.app", "tests.bench.waiting"),
    "unguarded": System("unguarded", "tests.bench.unguarded", "tests.bench.unguarded"),
    "observed": System("observed", "workers.app", "tests.bench.waiting", {"OTEL_EXPORTER_OTLP_ENDPOINT": "{stub}"}),
    "unobserved": System("unobserved", "tests.bench.unobserved", "tests.bench.unobserved"),
}
"""`bare_lean` has neither events nor a log: less than the product gives, for those who want to know.
`unguarded` is the product without its guards. `observed` sends traces with the default share, beside its logs and its
tally; `unobserved` has none of them."""


class Stub:
    """The stub server's process, and what it has seen."""

    def __init__(self, process: Child) -> None:
        """Ask it where it serves."""
        self.pid = process.pid
        self.port = int(process.line(PATIENCE))

    def reset(self) -> None:
        """Forget everything."""
        self._ask("DELETE", "/")

    def wait(self, notices: int) -> float:
        """The monotonic time at which the last of so many notices arrived; raises TimeoutError after `PATIENCE`."""
        return float(self._ask("GET", f"/{notices}")["last"])

    def url(self, path: str) -> str:
        """Where a tool posts to."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def _ask(self, method: str, path: str) -> dict[str, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            return dict(json.loads(connection.getresponse().read()))
        finally:
            connection.close()


@dataclass(frozen=True)
class Running:
    """A system at work."""

    system: System
    client: Child
    workers: tuple[Child, ...]
    servers: dict[str, int]
    stub: Stub

    def submit(self, first: int, count: int, batch: int = 1) -> tuple[float, float]:
        """Submit reports; when the first call began and the last one came back."""
        self.client.say(f"{first} {count} {batch}")
        began, ended = self.client.line(PATIENCE).split()
        return float(began), float(ended)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of each part, and of the stub, which belongs to neither system."""
        pids = {"client": [self.client.pid], "workers": [worker.pid for worker in self.workers]}
        pids |= {name: [pid] for name, pid in self.servers.items()} | {"stub": [self.stub.pid]}
        return {name: cpu_seconds(of) for name, of in pids.items()}

    def memory(self) -> tuple[float, float]:
        """RSS and PSS of the workers, in MB."""
        return memory_mb([worker.pid for worker in self.workers])


@contextmanager
def stub(folder: Path) -> Iterator[Stub]:
    """The stub server, for as long as the block lasts."""
    with child(["-m", "tests.bench.stub"], _clean(), folder, "stub.log") as process:
        yield Stub(process)


@contextmanager
def running(
    system: System, servers: Servers, stub: Stub, folder: Path, *, slots: int, wait: float
) -> Iterator[Running]:
    """Start the system on a fresh database and broker; `wait` is in seconds, in the first stage."""
    with ExitStack() as stack:
        place = stack.enter_context(servers.place())
        stub.reset()
        environment = _environment(system, place, stub, slots, wait)
        app = system.waiting_app if wait else system.app
        workers = [
            stack.enter_context(child(_worker(app, number), environment, folder, f"{system.name}.log"))
            for number in range(WORKERS)
        ]
        client = child(["-m", "tests.bench.client", system.name], environment, folder, f"{system.name}-client.log")
        started = stack.enter_context(client)
        started.line(PATIENCE)
        yield Running(system, started, tuple(workers), servers.pids, stub)


def _worker(app: str, number: int) -> list[str]:
    return ["-m", "celery", "-A", app, "worker", "--pool", "threads", "-l", "INFO", "-n", f"bench{number}@%h"]


def _environment(system: System, place: Place, stub: Stub, slots: int, wait: float) -> dict[str, str]:
    ours = {
        "TRIAGE_DATABASE_URL": place.database_url,
        "TRIAGE_BROKER_URL": place.broker_url,
        "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
        "TRIAGE_SLOTS": str(slots),
        "TRIAGE_TRACKER": json.dumps(_tool(stub.url("tickets"))),
        "TRIAGE_NOTIFIER": json.dumps(_tool(stub.url("notices"))),
        "BENCH_WAIT": str(wait),
    }
    given = {name: value.format(stub=stub.url("").rstrip("/")) for name, value in system.environment.items()}
    return _clean() | ours | given


def _tool(url: str) -> dict[str, str]:
    return {"kind": "webhook", "url": url, "tool_class": "keyed"}


def _clean() -> dict[str, str]:
    """This environment without what would change the product's settings or send its traces away."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TRIAGE_", "OTEL_", "BENCH_"))}
