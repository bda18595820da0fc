"""Deciding past reports again, and measuring a model, with the real commands: nothing changes, money is bounded."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import report
from triage import cli
from triage.decide.rules import Rules
from triage.store.corrections import Corrections
from triage.store.database import Database
from triage.store.past import BATCH, Past
from triage.store.postgres import PostgresStore
from triage.testing.provider import ProviderServer

ASKS = {"compatible:ours": {"input": "1", "output": "5"}, "compatible:theirs": {"input": "1", "output": "5"}}
RULES = """
default_route = "triage"
[[rules]]
name = "thing"
words = ["thing"]
kind = "feature"
severity = "medium"
reason = "It is about a thing."
"""
Run: TypeAlias = Callable[..., tuple[int, Any]]


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """Run a model's provider."""
    with ProviderServer() as server:
        yield server


@pytest.fixture
def environment(database_url: str, provider: ProviderServer) -> dict[str, str]:
    """Settings that ask it."""
    model = {"provider": "compatible", "model": "ours", "base_url": f"{provider.url}/v1", "api_key": "opens-nothing"}
    llm = json.dumps({"model": model, "prices": ASKS})
    return {"TRIAGE_DATABASE_URL": database_url, "TRIAGE_LLM": llm, "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]'}


@pytest.fixture
def run(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Run a command; its exit code and its document, or its error."""
    monkeypatch.chdir(tmp_path)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    Path("ours.toml").write_text(RULES, encoding="utf-8")

    def invoke(*words: str) -> tuple[int, Any]:
        code = cli.main([*words, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err)

    return invoke


def decided(database: Database, number: int, body: str = "As it is.") -> list[Any]:
    """Runs of which the shipped rules decided nothing, the newest first."""
    rules = Rules.load()
    given = [report(title=f"About thing {each}", body=body) for each in range(number)]
    ids = [one.run_id for one in PostgresStore(database).submit_many(given, None)]
    text = "insert into decision (run_id, kind, severity, decided_by, content) values (%s, %s, %s, %s, %s)"
    for run_id, one in zip(ids, given, strict=True):
        found = rules.decide(one)
        query(
            database, text, run_id, found.kind, found.severity, found.decided_by, Jsonb(found.model_dump(mode="json"))
        )
    return ids


def state(database: Database) -> dict[str, str]:
    """A digest of each table."""
    names = query(database, "select tablename from pg_tables where schemaname = 'public' order by 1")
    text = "select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} as t"
    return {row.tablename: value(database, text.format(f'"{row.tablename}"')) for row in names}


def test_past_runs_are_read_in_batches_newest_first(database: Database) -> None:
    """Each decided run comes once, also over many batches and of equal times; limits and times are kept."""
    ids = decided(database, 2 * BATCH + 7)
    PostgresStore(database).submit_many([report()], None)  # nothing is decided of it
    past, day = Past(database), timedelta(days=1)
    assert sorted(one.run_id for one in past.decided(day, 10_000)) == sorted(ids)
    newest = query(database, "select id from run join decision on run_id = id order by created_at desc, id desc")
    assert [one.run_id for one in past.decided(day, BATCH + 3)] == [row.id for row in newest[: BATCH + 3]]
    assert (past.count(day, 10_000), past.count(day, 50)) == (len(ids), 50)
    query(database, "update run set created_at = now() - interval '2 days' where id = %s", ids[0])
    assert len(list(past.decided(day, 10_000))) == len(ids) - 1


def test_other_rules_are_tried_and_nothing_changes(
    run: Run, database: Database, provider: ProviderServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The differences are listed with their reasons and counted, corrections judge both, and no row is another one."""
    ids = decided(database, 5)
    corrections = Corrections(database)
    corrections.add(ids[0], "kind", "feature", by="ann", origin="person")
    corrections.add(ids[1], "kind", "question", by="ann", origin="person")
    before = state(database)
    code, told = run("replay", "--with", "rules=ours.toml", "--budget", "1")
    assert code == 0 and state(database) == before
    assert (told["runs"], told["same"], told["different"], told["failed"]) == (5, 0, 5, 0)
    assert told["pairs"] == [{"was": "nobody", "now": "feature", "runs": 5}]
    assert {one["run"] for one in told["differences"]} == {str(one) for one in ids}
    first = told["differences"][0]
    assert first["changes"] == {"kind": {"was": "nobody", "now": "feature"}}
    assert (first["was_because"], first["now_because"]) == ("no rule matched", "Rule thing: It is about a thing.")
    assert told["corrected"] == {"runs": 2, "right_before": 0, "right_now": 1}
    assert (told["cost_usd"], told["stopped"], provider.count) == (0, None, 0)
    assert cli.main(["replay", "--with", "rules=ours.toml", "--budget", "1"]) == 0
    shown = capsys.readouterr().out
    assert "5 runs: 0 the same, 5 different, 0 failed" in shown and "nobody → feature: 5" in shown
    assert "2 corrected by people: 0 right before, 1 right now" in shown and str(ids[0]) in shown


def test_another_model_is_asked_masked_and_paid_from_its_own_budget(
    run: Run, database: Database, provider: ProviderServer
) -> None:
    """Every report goes once to the candidate's model, without its secrets; no row of the budgets changes."""
    provider.answer = {"kind": "question"}
    secret = "ghp_" + "a1B2" * 9
    decided(database, 12, body=f"My token is {secret}, as it is.")
    before = state(database)
    code, told = run("replay", "--with", "model=compatible:theirs", "--budget", "1.00")
    assert code == 0 and state(database) == before
    assert (told["runs"], told["different"], told["stopped"]) == (12, 12, None)
    assert told["pairs"] == [{"was": "nobody", "now": "question", "runs": 12}]
    assert provider.count == 12 and secret not in provider.everything
    assert {one.body["model"] for one in provider.heard} == {"theirs"}
    assert told["cost_usd"] == pytest.approx(12 * 270e-6)
    assert 0 < told["latency_p50_ms"] <= told["latency_p95_ms"]


def test_a_replay_stops_at_its_budget(run: Run, database: Database, provider: ProviderServer) -> None:
    """It never spends more than was allowed, tells what it did until then, and ends with exit code 1."""
    decided(database, 300)
    code, told = run("replay", "--budget", "0.06")
    assert (code, told["stopped"]) == (1, "budget")
    assert 0 < told["runs"] < 300 and provider.count == told["runs"]
    assert told["cost_usd"] == pytest.approx(provider.count * 270e-6) and told["cost_usd"] <= 0.06
    code, told = run("replay", "--budget", "0")
    assert (code, told["stopped"], told["runs"], told["cost_usd"]) == (1, "budget", 0, 0)


def test_a_model_without_a_budget_is_not_asked(run: Run, database: Database, provider: ProviderServer) -> None:
    """Without --budget, with a time that is none, or with parts that are none, nothing is tried at all."""
    decided(database, 1)
    for words, expected in (
        ((), "--budget"),
        (("--since", "soon"), "--since soon"),
        (("--with", "modell=x"), "modell=x"),
        (("--with", "rules=nowhere.toml", "--budget", "1"), "nowhere.toml"),
        (("--with", "model=compatible:unknown", "--budget", "1"), "unknown"),
        (("--with", "prompt=.", "--budget", "1"), "choose.md"),
    ):
        code, told = run("replay", *words)
        assert code == 2 and expected in told["error"], told
    assert provider.count == 0


def test_another_prompt_is_told_apart(run: Run, database: Database, provider: ProviderServer, tmp_path: Path) -> None:
    """Files in the folder go before the shipped ones, and what is asked begins with their words."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "classify.md").write_text("Say what it is, in our own words.", encoding="utf-8")
    decided(database, 1)
    code, told = run("replay", "--with", "prompt=words", "--budget", "1")
    assert (code, told["runs"]) == (0, 1)
    assert "Say what it is, in our own words." in provider.everything


def test_what_a_model_fails_at_is_counted_apart(run: Run, database: Database, provider: ProviderServer) -> None:
    """Too many requests are waited for; a lost answer is a failure, not a decision by nobody; no access ends it."""
    decided(database, 2)
    provider.seconds = 0.2
    provider.script("429", "429")
    code, told = run("replay", "--budget", "1")
    assert (code, told["different"], provider.count) == (0, 2, 4)
    provider.script("drop", "drop")
    code, told = run("replay", "--budget", "1")
    assert (code, told["failed"], told["different"], told["same"]) == (1, 2, 0, 0)
    provider.script("401", "401")
    code, told = run("replay", "--budget", "1")
    assert code == 2 and "401" in told["error"]


def test_ctrl_c_ends_it_with_what_there_is(
    environment: dict[str, str], database: Database, provider: ProviderServer, tmp_path: Path
) -> None:
    """It ends within seconds though asks are under way, tells what was decided before, and exits with 130."""
    decided(database, 60)
    provider.latency = 0.4
    command = [sys.executable, "-m", "triage.cli", "replay", "--budget", "5", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **environment}, stdout=-1, stderr=-1)
    waiting.until(lambda: provider.count >= 12, 30, lambda: f"{provider.count} asks")
    provider.latency = 30.0
    waiting.until(lambda: provider.count >= 20, 30, lambda: f"{provider.count} asks")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err.decode()
    told = json.loads(out)
    assert told["stopped"] == "interrupted" and 8 <= told["runs"] < 60
    assert told["cost_usd"] > told["runs"] * 270e-6


def labelled(tmp_path: Path, number: int) -> str:
    """A file of closed reports, half of them features."""
    rows = [f"{'feature' if each % 2 else 'bug'},About thing {each},As it is {uuid4()}" for each in range(number)]
    path = tmp_path / "closed.csv"
    path.write_text("\n".join(["label,title,body", *rows]), encoding="utf-8")
    return str(path)


def test_a_model_is_measured_with_cost_and_latency(run: Run, provider: ProviderServer, tmp_path: Path) -> None:
    """Accuracy, coverage at the target, cost and latency of a model alone and of the cascade, in one document each."""
    provider.answer, file = {"kind": "feature"}, labelled(tmp_path, 20)
    columns = ("--body", "body", "--budget", "1")
    code, told = run("eval", file, *columns, "--llm")
    assert (code, told["version"], told["cases"], told["failed"]) == (0, "llm compatible:ours", 20, 0)
    assert told["accuracy"] == 0.5 and told["coverage"] is None and told["cost_usd"] == pytest.approx(20 * 270e-6)
    assert 0 < told["latency_p50_ms"] <= told["latency_p95_ms"]
    code, told = run("eval", file, *columns, "--cascade", "--with", "rules=ours.toml")
    assert (code, told["accuracy"], told["coverage"], told["cost_usd"]) == (0, 0.5, 1.0, 0)
    code, told = run("eval", file, *columns, "--cascade", "--with", "model=compatible:theirs")
    assert (code, told["accuracy"], provider.count) == (0, 0.5, 40)
    code, told = run("eval", file, "--body", "body", "--llm", "--budget", "0.03")
    assert (code, told["stopped"]) == (1, "budget") and 0 < told["cases"] < 20
    for words in (("--llm",), ("--cascade",), ("--llm", "--rules"), ("--rules", "--with", "rules=ours.toml")):
        assert run("eval", file, *words)[0] == 2
