"""The campaign at work, shortly, and a judge that sees what must not be."""

from collections.abc import Mapping
from copy import deepcopy
from itertools import islice
from typing import Any
from uuid import uuid4

import pytest

from tests.money import judge, plan
from tests.money.provider import SHARES, drawn
from tests.support import databases
from triage.model.money import Bill, Limits, Question, Reserved
from triage.store.database import Database
from triage.store.money import Money

RUN = """
    insert into run (id, key, source, source_id, report_kind, fence, claim_id, claimed_by, claim_until)
    values (gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'mail', 'r', 'bug', 1, gen_random_uuid(),
        gen_random_uuid(), now() + interval '1 hour') returning id, claim_id
"""
FINISH = """
    insert into attempt (run_id, fence, stage, number, process_id, outcome)
    values (%s, 1, 'triage', 1, gen_random_uuid(), 'finished')
"""
GOOD = {
    "runs": 2,
    "kills": 1,
    "scopes": [{"wave": "day", "scope": "day", "limit": 100, "taken": 100}],
    "statuses": {"done": 2},
    "refused": {"run": 1, "source": 1, "day": 1, "total": 1, "reporter": 1, "asks": 1},
    "asks": {"wrong": 0, "settled": 60, "by_tokens": 50, "unaccounted": 40, "unaccounted_asks": 1, "requests": 2},
    "books": 100,
    "provider": {"requests": 6, "billed": 70},
    "served": {"429": 1},
    "seen_passed": [],
    "paid_after_finish": 0,
}
BAD: dict[str, Mapping[str, Any]] = {
    "day, day: 101 of 100": {"scopes": [{"wave": "day", "scope": "day", "limit": 100, "taken": 101}]},
    "seen above its limit: x": {"seen_passed": ["x"]},
    "the budget of the source did not bind": {"refused": GOOD["refused"] | {"source": 0}},  # type: ignore[operator]
    "the budget of the asks did not bind": {"refused": GOOD["refused"] | {"asks": 0}},  # type: ignore[operator]
    "not every run is done": {"statuses": {"done": 1, "dead": 1}},
    "a settlement is not its usage at prices": {"asks": GOOD["asks"] | {"wrong": 1}},  # type: ignore[operator]
    "the budgets' rows are not the sum of the asks": {"books": 99},
    "more was recorded for answers than the provider served": {"provider": {"requests": 6, "billed": 49}},
    "the provider may bill more than was taken": {"provider": {"requests": 6, "billed": 101}},
    "requests were made that nobody reserved": {"provider": {"requests": 7, "billed": 70}},
    "a finished stage was paid again": {"paid_after_finish": 1},
    "nobody was killed": {"kills": 0},
}


def test_what_is_good_is_no_violation() -> None:
    """Budgets that are used up to the last micro-dollar are not passed."""
    assert judge.violations(GOOD) == []


@pytest.mark.parametrize("words", BAD)
def test_each_violation_is_told(words: str) -> None:
    """Whatever must not be is told, and nothing else is."""
    assert judge.violations(deepcopy(GOOD) | dict(BAD[words])) == [words]


def claimed(database: Database) -> Question:
    """What a worker with a claim on a new run would ask."""
    (row,) = databases.query(database, RUN)
    return Question(row.id, row.claim_id, 1, uuid4().bytes * 2, plan.MODEL, "p@1", plan.ASK)


def settled(database: Database, question: Question, bill: Bill) -> None:
    """Ask, and pay this for it."""
    taken = Money(database, Limits()).reserve(question)
    assert isinstance(taken, Reserved)
    Money(database, Limits()).settle(taken.reservation_id, bill)


@pytest.mark.parametrize(("extra", "wrong"), [(0, 0), (plan.ASK // 3, 0), (1, 1), (-1, 1)])
def test_a_settlement_is_its_tokens_and_perhaps_one_more_request(database: Database, extra: int, wrong: int) -> None:
    """The price of the tokens is right, or one request's worst above it, and nothing else is."""
    sent, received, cached = plan.USAGE
    bill = Bill(plan.MODEL, plan.COST + extra, 1, input_tokens=sent, output_tokens=received, cached_tokens=cached)
    settled(database, claimed(database), bill)
    sums = judge.added(database.read(judge.ASKS))
    assert (sums.wrong, sums.by_tokens, sums.settled) == (wrong, plan.COST, plan.COST + extra)


@pytest.mark.parametrize("late", [False, True])
def test_an_ask_after_the_end_of_its_stage_is_found(database: Database, late: bool) -> None:
    """What was reserved before the stage was finished is right, and what was reserved after it is found."""
    question = claimed(database)
    if late:
        databases.query(database, FINISH, question.run_id)
    settled(database, question, Bill(plan.MODEL, 0))
    if not late:
        databases.query(database, FINISH, question.run_id)
    assert database.read(judge.PAID_AFTER)[0][0] == late


def test_each_wave_raises_limits_above_what_is_taken_and_lets_one_bind() -> None:
    """No limit is ever below what is taken, and the one that binds has room for half of what will be asked."""
    taken = {"run": 1, "source": 1_000, "day": 5_000, "total": 9_000, "reporter": 700, "asks": 3}
    for wave in plan.waves(2_003):
        limits = wave.limits(taken)
        room = {scope: getattr(limits, scope) - taken[scope] for scope in plan.SHARED}
        assert min(room.values()) > 0
        assert {scope for scope in room if room[scope] < wave.demand[scope]} == {wave.binds} - {None}
    assert sum(wave.runs for wave in plan.waves(2_003)) == 2_003


def test_a_seed_gives_what_the_model_does() -> None:
    """The same seed gives the same behaviours and times, another seed others, and no behaviour is missing."""
    first, second, other = (list(islice(drawn(seed), 1_000)) for seed in (3, 3, 4))
    assert first == second != other
    assert {behaviour for behaviour, _ in first} == SHARES.keys()
