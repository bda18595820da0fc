"""Reports that no rule decides, in real workers, with a model that costs money."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import Site, report
from tests.unit import labelled
from triage.decide.learned import fileformat
from triage.decide.learned.model import Model
from triage.decide.learned.training import train
from triage.decide.rules import Rules
from triage.model import Report
from triage.store.postgres import PostgresStore
from triage.testing.provider import ProviderServer

VAGUE = {"title": "About the thing", "body": "It is as it is."}
PRICES = {"compatible:some-model": {"input": "1", "output": "5"}}


@pytest.fixture
def provider(site: Site) -> Iterator[ProviderServer]:
    """Run a model's provider, and let the workers ask it."""
    with ProviderServer() as server:
        model = {
            "provider": "compatible",
            "model": "some-model",
            "base_url": f"{server.url}/v1",
            "api_key": "opens-nothing",
        }
        site.settings["TRIAGE_LLM"] = json.dumps({"model": model, "prices": PRICES})
        yield server


def submit(site: Site, number: int) -> list[UUID]:
    """Hand in reports that no rule knows."""
    return [
        one.run_id for one in PostgresStore(site.database).submit_many([report(**VAGUE) for _ in range(number)], None)
    ]


def settled(site: Site) -> int:
    """What all settled asks cost, in micro-USD."""
    return int(value(site.database, "select coalesce(sum(spent), 0) from reservation where settled_at is not null"))


def test_each_report_is_asked_about_once_and_paid_once(site: Site, provider: ProviderServer) -> None:
    """What no rule decides is decided by the model, with one request for each report and the recorded cost of it."""
    site.ready_worker()
    ids = submit(site, 20)
    site.wait(ids)
    assert {line.decided_by for line in site.runs(ids)} == {"llm"}
    assert provider.count == len(ids)
    assert settled(site) == len(ids) * (120 * 1 + 30 * 5)
    site.assert_local_once_each(ids)


def test_a_worker_that_dies_while_it_asks_costs_one_more_ask_at_most(site: Site, provider: ProviderServer) -> None:
    """The next worker asks again, what the dead one reserved stays taken, and a finished stage is not paid again."""
    provider.latency = 2.0
    worker = site.ready_worker(slots=4)
    ids = submit(site, 4)
    waiting.until(lambda: provider.count >= len(ids), 20, site.tails)
    worker.kill()
    provider.latency = 0.0
    site.ready_worker()
    site.wait(ids)
    assert provider.count == 2 * len(ids)
    rows = query(
        site.database, "select settled_at is not null as settled, count(*) from reservation group by 1 order by 1"
    )
    assert [(row.settled, row.count) for row in rows] == [(False, len(ids)), (True, len(ids))]
    time.sleep(1)
    assert provider.count == 2 * len(ids)


def test_without_room_in_the_budget_a_person_decides(site: Site, provider: ProviderServer) -> None:
    """Once the day's budget is gone nobody is asked any more, the runs go on, and they say why."""
    given = json.loads(site.settings["TRIAGE_LLM"])
    site.settings["TRIAGE_LLM"] = json.dumps({**given, "budgets": {"day": "0"}})
    site.ready_worker()
    ids = submit(site, 5)
    site.wait(ids)
    assert provider.count == 0
    assert {line.decided_by for line in site.runs(ids)} == {"nobody"}
    reason = value(site.database, "select content ->> 'reason' from decision limit 1")
    assert "the budget of the day has no room" in reason


def test_what_was_learned_decides_where_no_rule_does(site: Site, tmp_path: Path) -> None:
    """A model file that is set decides in the workers exactly as it does here, and never against a rule."""
    learned = train(labelled.reports(150, noise=0.1), 0.9).model
    fileformat.save(learned, tmp_path / "kinds.model")
    site.settings["TRIAGE_LEARNED"] = str(tmp_path / "kinds.model")
    site.ready_worker()
    given = [report(title=one.title, body=one.body) for one in labelled.reports(40, noise=0.1)]
    ids = [one.run_id for one in PostgresStore(site.database).submit_many(given, None)]
    site.wait(ids)
    rules = Rules.load()
    expected = {one.source_id: expected_decider(rules, learned, one) for one in given}
    assert {line.source_id: line.decided_by for line in site.runs(ids)} == expected
    assert "learned" in expected.values()


def expected_decider(rules: Rules, learned: Model, given: Report) -> str:
    """Who should decide a report."""
    rule = rules.match(given)
    if rule is not None and not rule.tentative:
        return "rules"
    return "learned" if learned.decide(given) else "rules" if rule else "nobody"
