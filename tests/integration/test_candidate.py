"""Candidates in real workers: a canary decides its share, and a shadow changes nothing, whatever it does."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import Site, report
from triage import cli
from triage.decide.candidate import picked
from triage.model.money import Limits
from triage.store.money import Money
from triage.store.postgres import PostgresStore
from triage.testing.provider import ProviderServer

WORDS = ("cup", "road", "lamp", "tree", "sand", "wheel", "paper", "stone")
PRICES = {f"compatible:{name}": {"input": "1", "output": "5"} for name in ("ours", "theirs")}
RULES = """
default_route = "triage"
[[rules]]
name = "thing"
words = ["thing"]
kind = "feature"
severity = "low"
reason = "It is about a thing."
"""
Providers: TypeAlias = tuple[ProviderServer, ProviderServer]


def asking(server: ProviderServer, name: str, **more: object) -> dict[str, object]:
    """The settings for asking this server's model."""
    model = {"provider": "compatible", "model": name, "base_url": f"{server.url}/v1", "api_key": "opens-nothing"}
    return {"model": {**model, "timeout": "PT20S"}, "prices": PRICES, **more}


@pytest.fixture
def providers(site: Site) -> Iterator[Providers]:
    """Run the model that is set, and a candidate's."""
    with ExitStack() as stack:
        ours, theirs = stack.enter_context(ProviderServer()), stack.enter_context(ProviderServer())
        site.settings["TRIAGE_LLM"] = json.dumps(asking(ours, "ours"))
        yield ours, theirs


def choose(site: Site, server: ProviderServer | None = None, **settings: object) -> None:
    """Set a candidate."""
    llm = {"llm": asking(server, "theirs")} if server else {}
    site.settings["TRIAGE_CANDIDATE"] = json.dumps({"name": "nano", **llm, **settings})


def submit(site: Site, number: int) -> list[UUID]:
    """Hand in reports that no rule knows."""
    titles = [f"About the thing: {WORDS[each % 8]} and {WORDS[each // 8]} number {each}" for each in range(number)]
    given = [report(title=title, body=f"{title} as it is.", reporter=title) for title in titles]
    return [one.run_id for one in PostgresStore(site.database).submit_many(given, None)]


def kept(site: Site) -> list[Any]:
    """What was kept of the candidate."""
    text = (
        "select run_id, was, content ->> 'kind' as kind, content ->> 'decided_by' as decided_by, agreed, cost, error"
        " from candidate_decision order by made_at"
    )
    return list(query(site.database, text))


def wait_kept(site: Site, number: int) -> list[Any]:
    """The comparisons, once there are so many."""
    waiting.until(lambda: len(kept(site)) >= number, 30, site.tails)
    return kept(site)


def told(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the command says."""
    for name, text in site.settings.items():
        monkeypatch.setenv(name, text)
    assert cli.main(["candidates", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_shadow_is_asked_as_well_and_only_compared(
    site: Site, providers: Providers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every run is decided by the current model, and beside it stands what the candidate says and what both cost."""
    ours, theirs = providers
    ours.answer, theirs.answer = {"kind": "bug"}, {"kind": "feature"}
    theirs.latency = 1.0
    choose(site, theirs, share=1.0)
    site.ready_worker()
    ids = submit(site, 8)
    site.wait(ids)
    assert {(line.decided_by, line.kind) for line in site.runs(ids)} == {("llm", "bug")}
    rows = wait_kept(site, len(ids))
    assert {(row.was, row.kind, row.agreed, row.cost, row.error) for row in rows} == {
        ("bug", "feature", False, 270, None)
    }
    assert {row.run_id for row in rows} == set(ids)
    assert (ours.count, theirs.count) == (len(ids), len(ids))
    site.assert_local_once_each(ids)
    document = told(site, monkeypatch, capsys)
    assert cli.main(["candidates"]) == 0
    assert "nano: 8 runs, agreed on 0 of 8 (0.0%), 0 failed" in capsys.readouterr().out
    (shadow,) = document["shadows"]
    assert (shadow["runs"], shadow["agreed"], shadow["failed"]) == (8, 0, 0)
    assert (shadow["cost"], shadow["own_cost"]) == (8 * 270, 8 * 270)
    assert 1.0 < shadow["seconds_p50"] < 15.0
    assert document["differences"] == [{"candidate": "nano", "was": "bug", "now": "feature", "runs": 8}]
    assert document["candidate"]["mode"] == "shadow" and document["canaries"] == []


def test_a_shadow_that_misbehaves_changes_nothing(site: Site, providers: Providers) -> None:
    """Errors, garbage and silence of the candidate's model fail the comparison and never the run, or its speed."""
    ours, theirs = providers
    script = ["garbage", "500", "drop", "401", "429", "cut"]
    theirs.script(*script, "hang")
    choose(site, theirs, share=1.0)
    site.ready_worker(slots=1)
    ids = submit(site, len(script) + 1)
    assert site.wait(ids) < 15.0
    assert {(line.decided_by, line.attempt) for line in site.runs(ids)} == {("llm", 0)}
    rows = wait_kept(site, len(script))
    assert all(row.error or row.decided_by == "nobody" for row in rows) and sum(bool(row.error) for row in rows) > 2
    site.assert_local_once_each(ids)
    assert ours.count == len(ids)


def test_a_shadow_takes_no_more_than_half_of_a_budget(site: Site, providers: Providers) -> None:
    """Where the day's budget has room for the runs' own asks only, these are made, and the candidate is refused."""
    ours, theirs = providers
    site.settings["TRIAGE_LLM"] = json.dumps(asking(ours, "ours", budgets={"day": "0.04"}))
    choose(site, theirs, share=1.0)
    site.ready_worker(slots=1)
    ids = submit(site, 3)
    site.wait(ids)
    rows = wait_kept(site, len(ids))
    assert {line.decided_by for line in site.runs(ids)} == {"llm"}
    assert {row.error for row in rows} == {"there is no room for it in its part of the budgets: day"}
    assert (ours.count, theirs.count) == (3, 0)


def test_a_killed_workers_candidate_money_counts_as_spent(site: Site, providers: Providers) -> None:
    """What a shadow had reserved when its worker died stays taken out of the budgets, and the run is done."""
    _, theirs = providers
    theirs.latency = 15.0
    choose(site, theirs, share=1.0)
    worker = site.ready_worker()
    ids = submit(site, 3)
    site.wait(ids)
    waiting.until(lambda: theirs.count == len(ids), 20, site.tails)
    worker.kill()
    site.ready_worker()
    time.sleep(1)
    open_ones = query(site.database, "select reserved, prompt from reservation where settled_at is null")
    assert len(open_ones) == len(ids) and all(row.prompt.endswith(" for nano") for row in open_ones)
    settled = value(site.database, "select sum(spent) from reservation where settled_at is not null")
    taken = Money(site.database, Limits()).taken()["day", ""]
    assert taken == settled + sum(row.reserved for row in open_ones)
    assert kept(site) == [] and theirs.count == len(ids)
    site.assert_local_once_each(ids)


def test_a_canary_decides_the_same_runs_after_a_kill(
    site: Site, providers: Providers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run is decided by whom its key says, also by a second worker after the first one was killed while asking."""
    ours, theirs = providers
    ours.answer, theirs.answer = {"kind": "bug"}, {"kind": "feature"}
    ours.latency = theirs.latency = 3.0
    choose(site, theirs, share=0.5, mode="canary")
    worker = site.ready_worker(slots=24)
    ids = submit(site, 24)
    waiting.until(lambda: ours.count + theirs.count >= 24, 20, site.tails)
    worker.kill()
    ours.latency = theirs.latency = 0.0
    site.ready_worker()
    site.wait(ids)
    rows = query(site.database, "select key, content from run join decision on decision.run_id = run.id")
    chosen = {bytes(row.key): picked("nano", 0.5, bytes(row.key)) for row in rows}
    assert 4 < sum(chosen.values()) < 20
    for row in rows:
        expected = ("feature", "nano") if chosen[bytes(row.key)] else ("bug", None)
        assert (row.content["kind"], row.content["versions"].get("candidate")) == expected
    assert (theirs.count, ours.count) == (2 * sum(chosen.values()), 2 * (24 - sum(chosen.values())))
    shares = {one["candidate"]: one["runs"] for one in told(site, monkeypatch, capsys)["canaries"]}
    assert shares == {"nano": sum(chosen.values()), "": 24 - sum(chosen.values())}


def test_a_candidate_of_rules_needs_no_money(site: Site, tmp_path: Path) -> None:
    """What other rules decide is compared, and costs nothing."""
    (tmp_path / "ours.toml").write_text(RULES, encoding="utf-8")
    choose(site, rules=str(tmp_path / "ours.toml"), share=1.0)
    site.ready_worker()
    site.wait(submit(site, 3))
    assert {(row.was, row.kind, row.cost) for row in wait_kept(site, 3)} == {("nobody", "feature", 0)}
