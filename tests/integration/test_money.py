"""Budgets hold whatever happens at once, whoever dies, and whatever is repeated."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from tests.support import databases, spender, waiting
from triage import clock, errors
from triage.decide.llm.ask import Asked
from triage.decide.llm.loop import shared
from triage.decide.llm.paid import Attempt, PaidAsker
from triage.model.money import Answered, Bill, Limits, NoRoom, Question, Reserved, Scope
from triage.store.database import Database, statement
from triage.store.money import Money
from triage.testing.provider import ProviderServer

CLAIM = """
    insert into run (id, key, source, source_id, report_kind, fence, claim_id, claimed_by, claim_until)
    select gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), %s, 'r', 'bug', 1, gen_random_uuid(),
        gen_random_uuid(), now() + interval '1 hour'
    from generate_series(1, %s) returning id, claim_id
"""
CONNECTIONS = 16


@pytest.fixture
def provider() -> Iterator[ProviderServer]:
    """Run a model's provider."""
    with ProviderServer() as server:
        yield server
    shared.stop()


@pytest.fixture
def pool(database_url: str) -> Iterator[Database]:
    """Connect with as many connections as workers would."""
    pool = Database(database_url, pool_size=CONNECTIONS)
    yield pool
    pool.close()


def claimed(database: Database, number: int, source: str = "demo", worst: int = 1_000) -> list[Question]:
    """What workers with claims on so many new runs would ask."""
    rows = databases.query(database, CLAIM, source, number)
    return [Question(row.id, row.claim_id, 1, uuid4().bytes * 2, "gpt-x", "choose@1", worst) for row in rows]


def ask(database: Database, source: str = "demo", worst: int = 1_000) -> Question:
    """What a worker with a claim on a new run would ask."""
    return claimed(database, 1, source, worst)[0]


def reserved(money: Money, question: Question) -> UUID:
    """Reserve what must have room."""
    taken = money.reserve(question)
    assert isinstance(taken, Reserved), taken
    return taken.reservation_id


def at_once(work: Callable[[Question], object], questions: list[Question]) -> list[object]:
    """Do it for all of them on as many threads as there are connections."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return list(threads.map(work, questions))


@pytest.mark.parametrize("scope", ["run", "source", "day", "month", "total"])
def test_each_budget_refuses_by_its_name(database: Database, scope: Scope) -> None:
    """What does not fit into a budget is refused, naming it, and takes nothing; what fits exactly is let in."""
    money = Money(database, Limits(**{scope: 1_500}))
    question = ask(database)
    reserved(money, question)
    again = replace(question, digest=b"2" * 32)
    assert money.reserve(again) == NoRoom(scope)
    reserved(money, replace(again, worst=500))
    assert money.taken()["total", ""] == 1_500


def test_one_source_cannot_use_up_what_another_has(database: Database) -> None:
    """A source at its limit is refused while another one is not."""
    money = Money(database, Limits(source=1_000, day=10_000))
    reserved(money, ask(database, "loud"))
    assert money.reserve(ask(database, "loud")) == NoRoom("source")
    reserved(money, ask(database, "quiet"))


@pytest.mark.parametrize("far", [0, 40_000_000], ids=["near", "far"])
def test_no_limit_is_passed_by_many_at_once(pool: Database, far: int) -> None:
    """However many reserve at once, exactly as many get in as fit, from far away or close to the limit."""
    worst, fit = 50_000, 40 + far // 50_000
    money = Money(pool, Limits(day=worst * fit + worst - 1))
    verdicts = at_once(money.reserve, claimed(pool, fit + 60, worst=worst))
    assert Counter(type(verdict) for verdict in verdicts) == {Reserved: fit, NoRoom: 60}
    assert money.taken()["day", ""] == worst * fit


def test_large_and_small_ones_at_once_pass_no_limit(pool: Database) -> None:
    """Reservations of very different sizes, settled while others are made, never pass the limit together."""
    limit, seen, over = 30_000_000, [], threading.Event()
    money = Money(pool, Limits(day=limit))

    def spend(question: Question) -> None:
        taken = money.reserve(question)
        if money.taken()["day", ""] > limit:
            over.set()
        if isinstance(taken, Reserved) and question.worst == 30_000:
            seen.append(taken)
            money.settle(taken.reservation_id, Bill("gpt-x", 10_000))

    questions = claimed(pool, 900, worst=30_000) + claimed(pool, 100, worst=400_000)
    at_once(spend, sorted(questions, key=lambda question: question.run_id))
    assert seen and not over.is_set()
    assert money.taken()["day", ""] <= limit


def reserving(question: Question, **changes: object) -> dict[str, object]:
    """The parameters of the statement that reserves."""
    return {
        "reservation_id": uuid4(), "run_id": question.run_id, "claim_id": question.claim_id, "fence": 1, "model": "m",
        "prompt": "p", "question": question.digest, "amount": question.worst, "lifetime": timedelta(minutes=1),
        "limits": [None] * 5, "alone": False, **changes,
    }  # fmt: skip


def test_a_repeated_statement_counts_once(pool: Database) -> None:
    """Reserving and settling again after a broken connection changes nothing, also while the first is under way."""
    money, question = Money(pool, Limits()), ask(pool)
    for _ in range(10):
        params = reserving(replace(question, digest=uuid4().bytes * 2))
        rows = at_once(lambda _, params=params: pool.one("money_reserve", params), [question] * CONNECTIONS)  # type: ignore[misc]
        assert {row.verdict for row in rows} == {"reserved"}  # type: ignore[attr-defined]
    assert money.taken()["day", ""] == 10_000
    first = reserved(money, replace(question, digest=b"1" * 32))
    at_once(lambda _: money.settle(first, Bill("gpt-x", 300)), [question] * CONNECTIONS)
    money.settle(first, Bill("gpt-x", 900))
    assert money.taken()["day", ""] == 10_300


def test_a_run_cannot_change_hands_while_money_is_reserved_for_it(database: Database, database_url: str) -> None:
    """A claim waits until a reservation has committed, so whoever claims the run next counts it."""
    question = ask(database)
    with psycopg.connect(databases.plain(database_url)) as slow:
        slow.execute(statement("money_reserve"), reserving(question))
        with pytest.raises(OperationalError, match="lock timeout"):
            databases.query(database, "set lock_timeout = '200ms'; update run set claim_id = gen_random_uuid()")


def test_whoever_sees_the_room_go_asks_again_alone(pool: Database, database_url: str) -> None:
    """Room that goes between two looks is noticed under the lock, and the second try decides alone."""
    spare = 50_000 * int(databases.value(pool, "show max_connections"))
    money, limit = Money(pool, Limits(day=spare + 60_000)), [None, None, spare + 60_000, None, None]
    first, second = ask(pool, worst=50_000), ask(pool, worst=50_000)
    with ThreadPoolExecutor(2) as threads, psycopg.connect(databases.plain(database_url)) as other:
        other.execute("select pg_advisory_xact_lock(7491033016)")
        told = threads.submit(pool.one, "money_reserve", reserving(first, limits=limit))
        taken = threads.submit(money.reserve, second)
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        waiting.until(lambda: databases.value(pool, waits) == 2, 10, lambda: "they do not wait for the lock")
        other.execute("select money_count('other', (now() at time zone 'UTC')::date, 20000)")
        other.commit()
        assert told.result(10).verdict == "crowded"  # type: ignore[union-attr]
        assert isinstance(taken.result(10), Reserved)
    assert money.taken()["day", ""] == 70_000


def test_a_bill_above_what_was_reserved_is_owed(database: Database) -> None:
    """A bill that is larger than the reservation is counted in full, and the next ask finds no room."""
    money = Money(database, Limits(day=2_000))
    money.settle(reserved(money, ask(database)), Bill("gpt-x", 5_000))
    assert money.taken()["day", ""] == 5_000
    assert money.reserve(ask(database, worst=0)) == NoRoom("day")


def test_a_worker_that_lost_its_claim_cannot_spend(database: Database) -> None:
    """A worker whose run was claimed by another one reserves nothing."""
    money, question = Money(database, Limits()), ask(database)
    databases.query(database, "update run set claim_id = gen_random_uuid(), fence = 2 where id = %s", question.run_id)
    with pytest.raises(errors.ProcessExpired):
        money.reserve(question)
    assert money.taken() == {}


def test_a_paid_answer_is_given_to_the_next_worker(database: Database) -> None:
    """A worker that died after it had settled leaves its answer, for this run and this question only."""
    money, question = Money(database, Limits()), ask(database)
    money.settle(reserved(money, question), Bill("gpt-x", 300), {"kind": "bug"})
    claim_id = uuid4()
    databases.query(database, "update run set claim_id = %s, fence = 2 where id = %s", claim_id, question.run_id)
    later = replace(question, claim_id=claim_id, fence=2)
    assert money.reserve(later) == Answered({"kind": "bug"})
    reserved(money, replace(later, digest=b"x" * 32))
    reserved(money, replace(ask(database), digest=question.digest))


def test_what_nobody_settled_is_unaccounted_until_its_bill_comes(database: Database) -> None:
    """An expired reservation counts as spent and is shown; a later bill takes its place."""
    money = Money(database, Limits(day=1_500))
    taken = reserved(money, replace(ask(database), lifetime=timedelta()))
    (open_one,) = money.unaccounted()
    assert (open_one.id, open_one.reserved) == (taken, 1_000)
    (line,) = money.spending("day")
    assert (line.spent, line.reserved, line.unaccounted) == (0, 0, 1_000)
    assert money.reserve(ask(database)) == NoRoom("day")
    money.settle(taken, Bill("gpt-x", 400, requests=1, input_tokens=90))
    assert not money.unaccounted()
    reserved(money, ask(database))


def test_tokens_and_money_can_be_told_by_everything(database: Database) -> None:
    """Attempt, run, source, day, model and version of the prompt each have their sums."""
    money, one, two = Money(database, Limits()), ask(database, "a"), ask(database, "b")
    bill = Bill("gpt-x", 300, 1, input_tokens=90, output_tokens=20, cached_tokens=50, reasoning_tokens=10)
    money.settle(reserved(money, one), bill)
    money.settle(reserved(money, replace(one, digest=b"2" * 32)), replace(bill, spent=200))
    money.settle(reserved(money, replace(two, prompt="choose@2")), replace(bill, model="claude-x", spent=100))
    names = {
        "attempt": {f"{one.run_id}/1": 500, f"{two.run_id}/1": 100},
        "run": {str(one.run_id): 500, str(two.run_id): 100},
        "source": {"a": 500, "b": 100},
        "model": {"gpt-x": 500, "claude-x": 100},
        "prompt": {"choose@1": 500, "choose@2": 100},
    }
    for by, wanted in names.items():
        assert {line.name: line.spent for line in money.spending(by)} == wanted  # type: ignore[arg-type]
    (day,) = money.spending("day")
    tokens = (day.input_tokens, day.output_tokens, day.cached_tokens, day.reasoning_tokens)
    assert (day.asks, day.requests, day.spent, tokens) == (3, 3, 600, (270, 60, 150, 30))
    assert [line.spent for line in money.spending("attempt", run_id=one.run_id)] == [500]


def worker(url: str, provider: ProviderServer, question: Question, limit: int) -> "subprocess.Popen[str]":
    """Let a worker ask for this run, in a process of its own."""
    given = [url, f"{provider.url}/v1", question.run_id, question.claim_id, question.fence, limit]
    command = [sys.executable, "-m", "tests.support.spender", *map(str, given)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def killed_while_asking(url: str, provider: ProviderServer, question: Question, limit: int) -> None:
    """Kill a worker when its request has arrived, so between reserve and settle."""
    asked = provider.count + 1
    provider.script("hang")
    with worker(url, provider, question, limit) as process:
        waiting.until(lambda: provider.count == asked, 30, lambda: "it never asked")
        process.kill()


def test_a_crash_loop_cannot_pass_a_budget(database: Database, database_url: str, provider: ProviderServer) -> None:
    """Workers killed between reserve and settle leave what they reserved as spent, until the run has nothing left."""
    asker = spender.asker("http://unused")
    worst = asker.worst(asker.inquire(spender.REPORT, spender.KINDS))
    question, limit = ask(database), 2 * worst + worst // 2
    for _ in range(2):
        killed_while_asking(database_url, provider, question, limit)
    with worker(database_url, provider, question, limit) as third:
        assert third.communicate()[0] == "no model was asked: the budget of the run has no room\n"
    assert provider.count == 2
    (line,) = Money(database, Limits()).spending("run")
    assert (line.asks, line.spent, line.reserved) == (2, 0, 2 * worst)


def paid(database: Database, provider: ProviderServer, question: Question, seconds: float = 10.0) -> Asked:
    """Ask for a run, in this process."""
    purse = PaidAsker(spender.asker(f"{provider.url}/v1"), Money(database, Limits(run=100_000)))
    attempt = Attempt(question.run_id, question.claim_id, question.fence)
    return purse.ask(attempt, spender.REPORT, spender.KINDS, deadline=clock.now() + seconds)


def test_an_answer_is_paid_once(database: Database, provider: ProviderServer) -> None:
    """The next attempt that asks the same in this run is told the same, without a request and without a cent."""
    question = ask(database)
    first, second = paid(database, provider, question), paid(database, provider, question)
    assert first.opinion == second.opinion is not None
    assert (first.bill.spent, second.bill.spent, provider.count) == (90, 0, 1)
    (line,) = Money(database, Limits()).spending("attempt")
    assert (line.asks, line.requests, line.spent, line.reserved) == (1, 1, 90, 0)


def test_no_answer_is_paid_once_as_well(database: Database, provider: ProviderServer) -> None:
    """What went on to a person is not asked again by the next attempt."""
    provider.script("refusal", "right")
    question = ask(database)
    assert [paid(database, provider, question).opinion for _ in range(2)] == [None, None]
    assert provider.count == 1


@pytest.mark.parametrize(("behaviour", "spent"), [("429", 0), ("401", 0), ("500", 1), ("hang", 1)])
def test_a_failed_ask_is_settled_at_what_it_may_have_cost(
    database: Database, provider: ProviderServer, behaviour: str, spent: int
) -> None:
    """What surely cost nothing gives its money back; what may have cost something counts at its worst, and no more."""
    provider.script(behaviour)
    question = ask(database)
    with pytest.raises(errors.ToolError):
        paid(database, provider, question, 2)
    asker = spender.asker("http://unused")
    worst = asker.worst(asker.inquire(spender.REPORT, spender.KINDS)) // 3
    assert Money(database, Limits()).taken()["total", ""] == spent * worst
    assert paid(database, provider, question).opinion is not None


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "least"), [(None, 300), (40_000_000, 300), (4_000_000, 50)], ids=str)
def test_no_row_is_hot_while_there_is_room(pool: Database, limit: int | None, least: int) -> None:
    """16 connections reserve and settle over 300 asks a second; near a limit they do so one after the other."""
    money = Money(pool, Limits(run=100_000, source=limit, day=limit, month=limit, total=limit))
    questions = claimed(pool, 2_000, worst=1_000)
    times: list[float] = []

    def spend(question: Question) -> None:
        started = time.monotonic()
        taken = money.reserve(question)
        times.append(time.monotonic() - started)
        assert isinstance(taken, Reserved)
        money.settle(taken.reservation_id, Bill("gpt-x", 700))

    at_once(spend, questions[:CONNECTIONS])
    times.clear()
    started = time.monotonic()
    at_once(spend, questions[CONNECTIONS:])
    rate = len(times) / (time.monotonic() - started)
    p50, p95 = sorted(times)[len(times) // 2], sorted(times)[len(times) * 95 // 100]
    print(f"{limit=}: {rate:.0f} asks/s, reserve p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms")
    assert rate > least
