"""What workers write down: every line says which run it is about, and no secret is in any."""

import json
import logging
from typing import Any

import pytest

from tests.support import waiting
from tests.support.otlp import collecting
from tests.support.site import TICKETS, Site, report
from tests.support.workers import WorkerProcess
from triage import config
from triage.logs import LONGEST, Discreet
from triage.model import Status, ToolClass
from triage.store.postgres import PostgresStore

TOKEN = "tok-5f3c9a1b7e"  # noqa: S105 - made up
KEY = "AKIA" + "Q7ZT3M2XWVB5N8KD"


def lines(worker: WorkerProcess) -> list[dict[str, Any]]:
    """The records it wrote."""
    return [json.loads(line) for line in worker.logs().splitlines() if line.startswith("{")]


def test_a_stage_is_one_line_with_its_run_and_trace(site: Site) -> None:
    """The line of each stage has run, stage, attempt, tool, outcome, seconds and the trace's id."""
    with collecting() as collector:
        site.settings |= collector.settings | {"TRIAGE_LOG_FORMAT": "json"}
        worker = site.ready_worker()
        (run_id,) = site.submit()
        site.wait([run_id])
        waiting.until(lambda: sum(one["event"] == "stage" for one in lines(worker)) == 3, 10, site.tails)
    stages = [one for one in lines(worker) if one["event"] == "stage"]
    assert [(one["run"], one["stage"], one["outcome"]) for one in stages] == [
        (str(run_id), stage, "finished") for stage in ("triage", "create_ticket", "notify")
    ]
    assert all(one["attempt"] == 1 and one["seconds"] > 0 and len(one["trace"]) == 32 for one in stages)
    assert [one["tool"] for one in stages] == ["", "local-tracker", "local-inbox"]


def test_no_secret_is_written_down(site: Site) -> None:
    """Neither a key in a report nor a token in the settings is in the logs, at DEBUG and with a refused ticket."""
    site.use_tools(ToolClass.KEYED)
    site.tools.script(f"keyed/{TICKETS}", "refuse")
    site.settings |= {"TRIAGE_LOG_FORMAT": "json", "TRIAGE_TRACKER__TOKEN": TOKEN}
    worker = site.worker(level="DEBUG")
    worker.wait_ready()
    store = PostgresStore(site.database)
    body = f"my key is {KEY} and it fails"
    site.wait([store.submit_many([report(body=body)], None)[0].run_id], 20, Status.DEAD)
    site.wait([store.submit_many([report(body=body)], None)[0].run_id], 20)
    said = worker.logs()
    assert [one["tool"] for one in lines(worker) if one["event"] == "call"][-1:] == ["webhook-notifier"]
    assert TOKEN not in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("level", "text", "shown"),
    [
        ("info", f"with {TOKEN} in it", "with *** in it"),
        ("info", "abc", "abc"),
        ("warning", f"status 400: bad key {KEY}", "status 400: bad key [masked: AWS access key id]"),
        ("info", "x" * 5_000, "x" * (LONGEST - 1) + "…"),
    ],
)
def test_fields_are_bounded_and_discreet(level: str, text: str, shown: str) -> None:
    """Settings' secrets are starred out always, others where the outside is quoted, and long fields are cut."""
    event = Discreet({TOKEN, "abc"})(logging.getLogger(), "", {"level": level, "why": text, "attempt": 1})
    assert event == {"level": level, "why": shown, "attempt": 1}


def test_every_secret_of_the_settings_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of tools and models."""
    for name, value in {
        "DATABASE_URL": "postgresql+psycopg://u:hidden1@h/d",
        "TRACKER__KIND": "github",
        "TRACKER__TARGET": "o/r",
        "TRACKER__TOKEN": "hidden2",
        "LLM__MODEL__PROVIDER": "openai",
        "LLM__MODEL__MODEL": "gpt-5-mini",
        "LLM__MODEL__API_KEY": "hidden3",
    }.items():
        monkeypatch.setenv(f"TRIAGE_{name}", value)
    assert config.secrets(config.load()) == {"postgresql+psycopg://u:hidden1@h/d", "hidden2", "hidden3"}
