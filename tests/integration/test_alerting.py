"""The whole way of an alert, with a real Prometheus and Alertmanager: from killed workers to whoever is told."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.support import waiting
from tests.support.console import Visitor, serving
from tests.support.site import Site
from tests.tools.servers import require
from tests.tools.servers.prometheus import Prometheus, prometheus
from triage.alerts import rules
from triage.config import Alerts, Objectives
from triage.testing.twins.receiver import Receiver

HURRY = 30.0
"""By what each alert's patience is divided: a minute becomes two seconds."""
RUNBOOK = "https://wiki.example/runbook"
NO_WORKER, DATABASE = "TriageNoWorker", "TriageDatabaseDown"


@dataclass
class Story:
    """What happened when, told as it happens; times are seconds since the kill."""

    began: float = field(default_factory=time.monotonic)
    times: dict[str, float] = field(default_factory=dict)

    def tell(self, what: str) -> None:
        """Tell it with its time."""
        self.times[what] = time.monotonic() - self.began
        print(f"{self.times[what]:7.2f} s  {what}", flush=True)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run whoever is to be told."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def watched(site: Site, receiver: Receiver) -> Iterator[Prometheus]:
    """Let a Prometheus read the console's /metrics, and an Alertmanager tell the receiver."""
    require("prometheus")
    made = rules.document(Objectives(), Alerts(runbook=RUNBOOK), HURRY)
    with (
        serving(site.folder, site.settings) as console,
        prometheus(urlsplit(console.url).netloc, made, f"{receiver.url}/hook") as server,
    ):
        yield server


def told(receiver: Receiver, alert: str, status: str) -> dict[str, dict[str, str]] | None:
    """What the receiver was told of an alert in this state, if it was."""
    for delivery in receiver.deliveries:
        for one in json.loads(delivery.body)["alerts"]:
            if (one["labels"]["alertname"], one["status"]) == (alert, status):
                return {"labels": one["labels"], "annotations": one["annotations"]}
    return None


def test_what_is_really_served_passes_prometheus_linter(site: Site) -> None:
    """`promtool check metrics` has nothing to say about a console's /metrics after real work."""
    require("prometheus")
    site.ready_worker()
    site.wait(site.submit(3))
    with serving(site.folder, site.settings) as console:
        page = Visitor(console.url).get("/metrics")
    assert 'triage_runs_total{source="demo",outcome="done"} 3' in page.text
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page.text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_killed_worker_pool_is_told(site: Site, watched: Prometheus, receiver: Receiver) -> None:
    """All workers are killed: within seconds somebody is told, with a link; and told when one runs again."""
    workers = [site.worker(), site.worker()]
    for worker in workers:
        worker.wait_ready()
    site.wait(site.submit(3))
    waiting.until(lambda: watched.up() and NO_WORKER not in watched.alerts(), 30, lambda: str(watched.alerts()))
    receiver.deliveries.clear()
    print()
    story = Story()
    for worker in workers:
        worker.kill()
    story.tell("two workers killed")
    for state in ("pending", "firing"):
        waiting.until(lambda: watched.alerts().get(NO_WORKER) == state, 30, lambda: str(watched.alerts()))  # noqa: B023
        story.tell(f"{NO_WORKER} is {state} in Prometheus")
    waiting.until(lambda: told(receiver, NO_WORKER, "firing"), 20, lambda: str(receiver.deliveries))
    story.tell("our receiver was told by Alertmanager")
    alert = told(receiver, NO_WORKER, "firing")
    assert alert is not None
    assert alert["labels"]["severity"] == "page"
    assert alert["annotations"]["summary"] == "No worker runs"
    assert alert["annotations"]["runbook_url"] == f"{RUNBOOK}#triagenoworker"
    print(f"           {alert['annotations']['description']}\n           {alert['annotations']['runbook_url']}")
    site.ready_worker()
    story.tell("a worker runs again")
    waiting.until(lambda: told(receiver, NO_WORKER, "resolved"), 30, lambda: str(receiver.deliveries))
    story.tell("our receiver was told that it is over")
    assert told(receiver, DATABASE, "firing") is None
