"""One database, one broker, the other systems, and any number of workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import UUID

import sqlalchemy

from tests.support import waiting
from tests.support.broker import BrokerProcess
from tests.support.workers import WorkerProcess
from triage import errors
from triage.model import Report, Status, ToolClass
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.store.runs import RunLine, Runs
from triage.testing import Controls, Entry

TICKETS, NOTICES = "tickets", "notices"
_numbers = count(1)


def report(source: str = "demo", **fields: object) -> Report:
    """A report that was never seen before, unless `source_id` says otherwise."""
    number = next(_numbers)
    return Report.model_validate(
        {"source": source, "source_id": f"r-{number}", "title": f"Save crashes {number}", **fields}
    )


@dataclass
class Site:
    """Everything that one test of the whole needs; `settings` are given to the workers started from then on."""

    database: Database
    broker: BrokerProcess
    tools: Controls
    folder: Path
    settings: dict[str, str]
    workers: list[WorkerProcess] = field(default_factory=list)
    kind: ToolClass | None = None

    def use_tools(self, kind: ToolClass, *, timeout: float = 2.0, quarantine: float = 1.0) -> None:
        """File with the tool server instead of the local tools, under endpoints of this class. Times are in seconds."""
        self.kind = kind
        for tool, name in (("TRACKER", TICKETS), ("NOTIFIER", NOTICES)):
            url = self.tools.endpoint(f"{kind}/{name}")
            found = {"FIND_URL": url} if kind is ToolClass.FINDABLE else {}
            times = {"TIMEOUT": f"PT{timeout:g}S", "QUARANTINE": f"PT{quarantine:g}S"}
            given = {"KIND": "webhook", "URL": url, "TOOL_CLASS": kind.value, **times, **found}
            self.settings |= {f"TRIAGE_{tool}__{key}": text for key, text in given.items()}

    def judge_by(self, policy: str) -> None:
        """Give the workers a policy of the test's own, as TOML."""
        path = self.folder / "policy.toml"
        path.write_text(policy)
        self.settings["TRIAGE_POLICY"] = str(path)

    def worker(
        self, *, queues: Sequence[str] = (), slots: int = 4, settings: Mapping[str, str] | None = None, level: str = ""
    ) -> WorkerProcess:
        """Start a worker; it serves once `wait_ready` returns."""
        name = f"w{len(self.workers) + 1}"
        given = self.settings | dict(settings or {})
        worker = WorkerProcess(self.folder, name, given, queues=queues, slots=slots, level=level)
        worker.start()
        self.workers.append(worker)
        return worker

    def ready_worker(self, *, queues: Sequence[str] = (), slots: int = 4) -> WorkerProcess:
        """Start a worker and wait until it serves."""
        worker = self.worker(queues=queues, slots=slots)
        worker.wait_ready()
        return worker

    def submit(self, number: int = 1, source: str = "demo") -> list[UUID]:
        """Submit so many new reports; the ids of their runs."""
        submitted = PostgresStore(self.database).submit_many([report(source) for _ in range(number)], None)
        assert all(one.created for one in submitted)
        return [one.run_id for one in submitted]

    def runs(self, ids: Sequence[UUID], *statuses: Status) -> list[RunLine]:
        """These runs, or those of them with one of the statuses."""
        return Runs(self.database).lines(ids=ids, statuses=statuses, limit=max(len(ids), 1))

    def count(self, ids: Sequence[UUID], status: Status = Status.DONE) -> int:
        """How many of these runs have this status; none are known to while Postgres is away."""
        query = sqlalchemy.text("select count(*) from run where id = any(:ids) and status = :status")
        try:
            return int(self.database.read(query.bindparams(ids=list(ids), status=str(status)))[0][0])
        except errors.StoreUnavailable:
            return 0

    def wait(self, ids: Sequence[UUID], seconds: float = 30.0, status: Status = Status.DONE) -> float:
        """Wait until all of these runs have the status; how long that took, in seconds."""
        return waiting.until(lambda: self.count(ids, status) == len(ids), seconds, lambda: self.explain(ids, status))

    def explain(self, ids: Sequence[UUID], wanted: Status = Status.DONE) -> str:
        """Which runs are elsewhere, why, and what the workers said last."""
        others = [line for line in self.runs(ids) if line.status is not wanted]
        lines = [
            f"{line.id} {line.status} at {line.checkpoint}, attempt {line.attempt}, due {line.due:%T}: {line.reason}"
            for line in others[:10]
        ]
        return "\n".join([f"{len(others)} of {len(ids)} runs are not {wanted}", *lines, self.tails()])

    def tails(self) -> str:
        """The last words of every worker."""
        return "\n".join(worker.tail() for worker in self.workers)

    def entry(self, name: str) -> Entry:
        """What the tool server saw of tickets or notices."""
        return self.tools.entry(f"{self.kind}/{name}")

    def wait_called(self, name: str = TICKETS, times: int = 1, seconds: float = 20.0) -> None:
        """Wait until the tool server was called so many times."""
        waiting.until(lambda: self.entry(name).attempts >= times, seconds, self.tails)

    def assert_once_each(self, ids: Sequence[UUID]) -> None:
        """One ticket and one notice were really made for every run, and nothing else."""
        for name in (TICKETS, NOTICES):
            entry = self.entry(name)
            assert (entry.commits, entry.duplicates) == (len(ids), ()), f"{name}: {entry}\n{self.tails()}"
            assert len(set(entry.keys)) == len(ids)

    def assert_local_once_each(self, ids: Sequence[UUID]) -> None:
        """The same for the local tools."""
        for table in ("local_ticket", "local_notice"):
            made = self.database.read(sqlalchemy.select(sqlalchemy.func.count()).select_from(sqlalchemy.table(table)))
            assert made[0][0] == len(ids), table

    def close(self) -> None:
        """End every worker that is left."""
        for worker in self.workers:
            if worker.alive:
                worker.kill()
