"""Doing what the schedule says, each fault in a thread of its own."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg

from tests.chaos.schedule import Event, Kind
from tests.chaos.world import LATE, World
from tests.support import databases, waiting
from triage import local
from triage.testing import FaultKind

BROKER_DOWN = 1.0
"""Seconds that a killed broker stays away."""
BUSY = 15.0
"""Seconds within which a server that another fault has just hit must be back for the next one."""
RATES = {FaultKind.HANG: 0.3, FaultKind.HANG_LATE_COMMIT: 0.3}
RATE = 0.6
"""Which part of all calls a faulty system spoils; less if the calls hang, which keeps slots busy."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A worker that was killed or stopped, at a Unix time."""

    pid: int
    time: float


@dataclass
class Injector:
    """Applies events; `applied` counts those that really happened, `problems` says why others did not."""

    world: World
    cut: Callable[[Event], None] | None = None
    applied: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _workers: threading.Lock = field(default_factory=threading.Lock)
    _broker: threading.Lock = field(default_factory=threading.Lock)

    def play(self, events: Sequence[Event]) -> None:
        """Apply all events, each at its time from now; returns when the last has begun."""
        began = time.monotonic()
        for event in events:
            time.sleep(max(0.0, began + event.at - time.monotonic()))
            thread = threading.Thread(target=self._apply, args=[event], daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Wait until everything is mended."""
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.problems.append("a fault was not over after 60 s")

    def _apply(self, event: Event) -> None:
        try:
            self._act(event)
        except BaseException as error:  # noqa: BLE001 - an expired wait is no Exception; a fault that failed is reported
            self.problems.append(f"{event}: {error!r}"[:500])

    def _act(self, event: Event) -> None:
        fault = event.kind.tool_fault
        if fault is not None:
            self._spoil(event, fault)
        elif event.kind.is_cut:
            self._sever(event)
        else:
            self._deeds()[event.kind](event)

    def _deeds(self) -> dict[Kind, Callable[[Event], None]]:
        return {
            Kind.WORKER_KILLED: self._kill,
            Kind.WORKER_FROZEN: self._freeze,
            Kind.BROKER_FLUSHED: self._flush,
            Kind.BROKER_RESTARTED: self._restart_broker,
            Kind.BROKER_EMPTIED: self._restart_broker,
            Kind.DATABASE_CRASHED: self._crash_database,
            Kind.BACKENDS_TERMINATED: self._terminate,
        }

    def _kill(self, event: Event) -> None:
        worker = self.world.site.workers[event.worker]
        with self._workers:
            self.hits.append(Hit(worker.pid, time.time()))
            worker.kill()
            worker.start()
        self.applied[event.kind] += 1

    def _freeze(self, event: Event) -> None:
        worker = self.world.site.workers[event.worker]
        with self._workers:
            pid = worker.pid
            self.hits.append(Hit(pid, time.time()))
            worker.kill(signal.SIGSTOP)
        time.sleep(event.seconds)
        with self._workers:
            if worker.alive and worker.pid == pid:  # else it was killed while it was frozen
                worker.kill(signal.SIGCONT)
        self.applied[event.kind] += 1

    def _flush(self, event: Event) -> None:
        with self._broker:
            self.world.site.broker.flush()
        self.applied[event.kind] += 1

    def _restart_broker(self, event: Event) -> None:
        broker = self.world.site.broker
        with self._broker:
            broker.kill()
            if event.kind is Kind.BROKER_EMPTIED:
                shutil.rmtree(broker._folder / "appendonlydir")
            time.sleep(BROKER_DOWN)
            broker.start()
        self.applied[event.kind] += 1

    def _crash_database(self, event: Event) -> None:
        waiting.until(self._crashed, BUSY, lambda: "Postgres does not run")
        self.applied[event.kind] += 1

    def _crashed(self) -> bool:
        servers = local.status(self.world.home).servers
        postmaster = next((one.pid for one in servers if one.name == "postgres"), None)
        if postmaster is not None:
            os.kill(postmaster, signal.SIGQUIT)
        return postmaster is not None

    def _terminate(self, event: Event) -> None:
        waiting.until(self._terminated, BUSY, lambda: "Postgres does not answer")
        self.applied[event.kind] += 1

    def _terminated(self) -> bool:
        others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        try:
            with psycopg.connect(databases.plain(self.world.addresses[0]), autocommit=True, connect_timeout=2) as mine:
                mine.execute(f"{others} and pid <> pg_backend_pid()")
        except psycopg.Error:
            return False
        return True

    def _spoil(self, event: Event, fault: FaultKind) -> None:
        seconds = LATE if fault is FaultKind.HANG_LATE_COMMIT else 1.0
        self.world.tools.schedule(event.seed, {fault: RATES.get(fault, RATE)}, seconds)
        time.sleep(event.seconds)
        self.world.tools.schedule(event.seed, {})
        self.applied[event.kind] += 1

    def _sever(self, event: Event) -> None:
        if self.cut is None:
            raise AssertionError("cuts need namespaces")
        if event.kind in {Kind.CUT_DATABASE, Kind.CUT_ALL}:  # others then hold it for dead
            self.hits.append(Hit(self.world.site.workers[event.worker].pid, time.time()))
        self.cut(event)
        self.applied[event.kind] += 1
