"""The commands `spending` and `budgets` on a real Postgres: what they print for people and for programs."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import databases
from triage.cli import spending
from triage.model.money import Bill, Limits, Question, Reserved
from triage.store.database import Database
from triage.store.money import Money

CLAIM = """
    insert into run (id, key, source, source_id, report_kind, fence, claim_id, claimed_by, claim_until)
    select gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), %s, 'r', 'bug', 1, gen_random_uuid(),
        gen_random_uuid(), now() + interval '1 hour'
    returning id, claim_id
"""
MODEL = {"provider": "compatible", "model": "some-model", "base_url": "http://127.0.0.1:9/v1"}
BILL = Bill("gpt-x", 30_000, 2, input_tokens=90_000, output_tokens=2_000, cached_tokens=500, reasoning_tokens=1_500)
TODAY = datetime.now(UTC).date()
Run: TypeAlias = Callable[..., Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of an app that has these two, with a model that is set."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TRIAGE_LLM", json.dumps({"model": MODEL, "budgets": {"source": "0.04", "day": "0.03"}}))
    app = typer.Typer()
    app.command()(spending.spending)
    app.command()(spending.budgets)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return invoke


def question(database: Database, source: str) -> Question:
    """What a worker with a claim on a new run would ask; it reserves 2 cents."""
    (row,) = databases.query(database, CLAIM, source)
    return Question(row.id, row.claim_id, 1, uuid4().bytes * 2, "gpt-x", "choose@1", 20_000)


@pytest.fixture
def asked(database: Database) -> UUID:
    """Ask once each for three runs: one is settled, one under way, one lost; the run of the first."""
    money, first = Money(database, Limits()), question(database, "mail")
    taken = money.reserve(first)
    assert isinstance(taken, Reserved)
    money.settle(taken.reservation_id, BILL)
    money.reserve(question(database, "forum"))
    money.reserve(replace(question(database, "forum"), worst=15_000, lifetime=timedelta()))
    return first.run_id


def rows(result: Result) -> list[list[str]]:
    """The words of each line."""
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()]


def document(result: Result) -> Any:
    """The one document on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("asked")
def test_a_day_tells_tokens_and_dollars(run: Run) -> None:
    """One line for the day has all asks: tokens with separators, dollars spent, reserved and unaccounted."""
    told = rows(run("spending"))
    assert told[0][:3] == ["day", "asks", "requests"]
    tokens = ["90,000", "2,000", "500", "1,500"]
    assert told[1:] == [[str(TODAY), "3", "2", *tokens, "0.0300", "0.0200", "0.0150"]]


def test_every_way_to_tell_it_by_has_its_names(run: Run, asked: UUID) -> None:
    """Attempt, run, source, model, prompt and day each have their names, the dearest first."""
    told = {by.value: [words[0] for words in rows(run("spending", "--by", by))[1:]] for by in spending.By}
    assert (told["model"], told["prompt"], told["day"]) == (["gpt-x"], ["choose@1"], [str(TODAY)])
    assert told["source"] == ["forum", "mail"]
    assert told["reporter"] == ["forum/nobody", "mail/nobody"]
    assert (told["run"][0], told["attempt"][0]) == (str(asked), f"{asked}/1")
    assert len(told["run"]) == len(told["attempt"]) == 3


def test_spending_can_be_narrowed_to_a_run_and_a_day(run: Run, asked: UUID) -> None:
    """`--run` leaves all other runs out, `--since` all earlier days, and `--limit` says that it cut."""
    (only,) = document(run("spending", "--by", "source", "--run", str(asked), "--json"))
    assert (only["name"], only["spent"], only["reserved"], only["reasoning_tokens"]) == ("mail", 30_000, 0, 1_500)
    tomorrow = str(TODAY + timedelta(days=1))
    assert document(run("spending", "--since", tomorrow, "--json")) == []
    assert run("spending", "--since", tomorrow).stdout == "no model was asked\n"
    assert "only the dearest 1" in run("spending", "--by", "run", "--limit", "1").stderr


@pytest.mark.usefixtures("asked")
def test_budgets_tell_limit_taken_and_left(run: Run) -> None:
    """Each source has its own line; what reserved and lost asks took is taken, and left may be below zero."""
    told = {(one["scope"], one["name"]): one for one in document(run("budgets", "--json"))["budgets"]}
    amounts = {key: (one["limit"], one["taken"], one["left"]) for key, one in told.items()}
    assert amounts == {
        ("run", "each"): (200_000, None, 200_000),
        ("reporter", "forum/nobody"): (500_000, 35_000, 465_000),
        ("reporter", "mail/nobody"): (500_000, 30_000, 470_000),
        ("source", "forum"): (40_000, 35_000, 5_000),
        ("source", "mail"): (40_000, 30_000, 10_000),
        ("day", ""): (30_000, 65_000, -35_000),
        ("month", ""): (200_000_000, 65_000, 199_935_000),
        ("total", ""): (None, 65_000, None),
    }
    shown = rows(run("budgets"))
    assert ["day", "0.0300", "0.0650", "-0.0350"] in shown
    assert ["total", "–", "0.0650", "–"] in shown
    assert ["run", "each", "0.2000", "–", "0.2000"] in shown


def test_without_a_model_there_is_no_budget(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands work where no model is set, and say that none is."""
    monkeypatch.delenv("TRIAGE_LLM")
    result = run("budgets")
    assert "no model is set" in result.stderr
    assert ["source", "each", "–", "0.0000", "–"] in rows(result)
    assert ["reporter", "each", "–", "0.0000", "–"] in rows(result)
    assert document(run("budgets", "--json"))["model"] is None
