"""Asking a model from both kinds of pools: each process has an event loop and clients of its own, made after a fork."""

import json
import os
import signal
from collections.abc import Iterator
from uuid import UUID

import psutil
import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import Site, report
from tests.support.workers import WorkerProcess
from triage.store.postgres import PostgresStore
from triage.testing.provider import ProviderServer

VAGUE = {"title": "About the thing", "body": "It is as it is."}
PRICES = {"compatible:some-model": {"input": "1", "output": "5"}}
APPS = {"threads": "workers.app", "prefork": "tests.support.prefork"}
SLOTS = 2


@pytest.fixture
def provider(site: Site) -> Iterator[ProviderServer]:
    """Run a model's provider, and let the workers ask it."""
    with ProviderServer(latency=0.3) as server:
        url = f"{server.url}/v1"
        model = {"provider": "compatible", "model": "some-model", "base_url": url, "api_key": "opens-nothing"}
        site.settings["TRIAGE_LLM"] = json.dumps({"model": model, "prices": PRICES})
        yield server


def ready(site: Site, pool: str) -> WorkerProcess:
    """Start a worker with this pool and wait until it serves."""
    worker = WorkerProcess(site.folder, pool, site.settings, slots=SLOTS)
    worker._command = [APPS[pool] if word == "workers.app" else word for word in worker._command]
    worker._command = [pool if word == "threads" else word for word in worker._command]
    worker.start()
    site.workers.append(worker)
    worker.wait_ready()
    return worker


def submit(site: Site, number: int) -> list[UUID]:
    """Hand in reports that no rule knows."""
    reports = [report(reporter=f"caller {one}", **VAGUE) for one in range(number)]
    return [one.run_id for one in PostgresStore(site.database).submit_many(reports, None)]


def askers(site: Site) -> int:
    """How many processes finished triage stages."""
    done = "select count(distinct process_id) from attempt where stage = 'triage' and outcome = 'finished'"
    return int(value(site.database, done))


def settled(site: Site) -> list[bool]:
    """Whether each reservation is settled."""
    return [row.settled for row in query(site.database, "select settled_at is not null as settled from reservation")]


def signed_on(site: Site, worker: WorkerProcess) -> object:
    """When the worker's main process signed on, if it did not sign off again."""
    return value(site.database, "select min(started_at) from process where pid = %s", worker.pid)


@pytest.mark.parametrize(("pool", "processes"), [("threads", 1), ("prefork", 4)])
def test_all_runs_are_asked_about_once(site: Site, provider: ProviderServer, pool: str, processes: int) -> None:
    """Every process of the pool asks, beside the others; all runs end, and so does the worker.

    Children that are replaced do not sign their parent off.
    """
    worker = ready(site, pool)
    began, ids = signed_on(site, worker), submit(site, 16)
    site.wait(ids)
    assert {line.decided_by for line in site.runs(ids)} == {"llm"}
    assert (provider.count, provider.most_at_once) == (len(ids), SLOTS)
    assert askers(site) >= processes
    assert signed_on(site, worker) == began is not None
    assert settled(site) == [True] * len(ids)
    site.assert_local_once_each(ids)
    worker.kill(signal.SIGTERM)
    assert worker.wait_end(20) == 0
    assert "Traceback" not in worker.logs()


def test_a_killed_child_is_replaced_by_one_that_asks(site: Site, provider: ProviderServer) -> None:
    """A child that dies while it asks leaves its reservation; others take over its run, and the new child asks too."""
    provider.latency = 1.5
    worker = ready(site, "prefork")
    ids = submit(site, SLOTS)
    waiting.until(lambda: provider.count >= SLOTS, 20, site.tails)
    victim = psutil.Process(worker.pid).children()[0]
    os.kill(victim.pid, signal.SIGKILL)
    provider.latency = 0.3
    ids += submit(site, 10)
    site.wait(ids)
    assert {line.decided_by for line in site.runs(ids)} == {"llm"}
    assert provider.count == len(ids) + 1
    assert sorted(settled(site)) == [False] + [True] * len(ids)
    assert askers(site) > SLOTS
    site.assert_local_once_each(ids)
