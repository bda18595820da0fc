"""No reporter buys more asks than his own budget and rate allow, and nobody else pays for his flood."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from tests.support import databases, spender
from triage import clock
from triage.decide.llm.loop import shared
from triage.decide.llm.paid import Attempt, PaidAsker
from triage.model.money import Bill, Limits, NoRoom, Question, Reserved
from triage.store.database import Database
from triage.store.money import KEEP, Money
from triage.testing.provider import ProviderServer

CLAIM = """
    with claimed as (
        insert into run (id, key, source, source_id, report_kind, fence, claim_id, claimed_by, claim_until)
        select gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), %s, 'r', 'bug', 1, gen_random_uuid(),
            gen_random_uuid(), now() + interval '1 hour'
        from generate_series(1, %s) returning id, claim_id
    ), reported as (insert into report (run_id, content) select id, %s from claimed)
    select id, claim_id from claimed
"""
CONNECTIONS = 16


@pytest.fixture
def pool(database_url: str) -> Iterator[Database]:
    """Connect with as many connections as workers would."""
    pool = Database(database_url, pool_size=CONNECTIONS)
    yield pool
    pool.close()


def claimed(database: Database, number: int, reporter: str, source: str = "crm", worst: int = 1_000) -> list[Question]:
    """What workers with claims on so many new reports of somebody would ask."""
    rows = databases.query(database, CLAIM, source, number, Jsonb({"reporter": reporter}))
    return [Question(row.id, row.claim_id, 1, uuid4().bytes * 2, "gpt-x", "choose@1", worst) for row in rows]


def ask(money: Money, database: Database, reporter: str, source: str = "crm", worst: int = 1_000) -> object:
    """Reserve for a new report of somebody."""
    return money.reserve(claimed(database, 1, reporter, source, worst)[0])


def at_once(work: Callable[[Question], object], questions: list[Question]) -> Counter[object]:
    """Do it for all of them on as many threads as there are connections; how often each answer came."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        found = list(threads.map(work, questions))
    return Counter(one if isinstance(one, NoRoom) else type(one) for one in found)


@pytest.mark.parametrize("limits", [Limits(reporter=1_500), Limits(asks=1)], ids=["reporter", "asks"])
def test_one_reporter_cannot_use_up_what_another_has(database: Database, limits: Limits) -> None:
    """Who is at his limit is refused, however he spells himself; others, also of his name elsewhere, are not."""
    money = Money(database, limits)
    scope = "reporter" if limits.reporter else "asks"
    assert isinstance(ask(money, database, "ada@example.org"), Reserved)
    assert ask(money, database, " Ada@Example.ORG ") == NoRoom(scope)  # type: ignore[arg-type]
    assert isinstance(ask(money, database, "bob@example.org"), Reserved)
    assert isinstance(ask(money, database, "ada@example.org", "forum"), Reserved)


def test_reports_without_a_reporter_share_one_limit_in_their_source(database: Database) -> None:
    """Leaving the name out buys nothing."""
    money = Money(database, Limits(reporter=1_500))
    assert isinstance(ask(money, database, ""), Reserved)
    assert ask(money, database, "  ") == NoRoom("reporter")
    assert isinstance(ask(money, database, "", "forum"), Reserved)
    assert {name for scope, name in money.taken() if scope == "reporter"} == {"crm/nobody", "forum/nobody"}


@pytest.mark.parametrize("fit", [20, 900], ids=["near", "far"])
def test_no_reporters_limit_is_passed_by_many_at_once(pool: Database, fit: int) -> None:
    """However many reserve for one reporter at once, exactly as many get in as fit, in dollars and in number."""
    worst = 20_000
    for reporter, limits, scope in (
        ("money", Limits(reporter=worst * fit + worst - 1), "reporter"),
        ("number", Limits(asks=fit), "asks"),
    ):
        verdicts = at_once(Money(pool, limits).reserve, claimed(pool, fit + 60, reporter, worst=worst))
        assert verdicts == {Reserved: fit, NoRoom(scope): 60}  # type: ignore[arg-type]


def test_what_was_not_spent_can_be_asked_for_again(database: Database) -> None:
    """Settling gives back to the reporter what his ask did not cost."""
    money = Money(database, Limits(reporter=1_500))
    taken = ask(money, database, "ada")
    assert isinstance(taken, Reserved) and ask(money, database, "ada") == NoRoom("reporter")
    money.settle(taken.reservation_id, Bill("gpt-x", 300))
    assert isinstance(ask(money, database, "ada"), Reserved)


def test_an_hour_later_he_may_cause_asks_again(database: Database) -> None:
    """The rate looks back over one hour, whatever the clock says."""
    money = Money(database, Limits(asks=2))
    assert [type(ask(money, database, "ada")) for _ in range(3)] == [Reserved, Reserved, NoRoom]
    age = "update reservation set made_at = made_at - %s where id = (select id from reservation limit 1)"
    databases.query(database, age, timedelta(minutes=61))
    assert [type(ask(money, database, "ada")) for _ in range(2)] == [Reserved, NoRoom]


def test_a_reporter_is_told_by_a_hash_and_not_by_name(database: Database) -> None:
    """The books know a reporter again, and do not say who it is."""
    money = Money(database, Limits())
    for _ in range(2):
        ask(money, database, "ada@example.org")
    (line,) = money.spending("reporter")
    assert line.asks == 2 and line.name.startswith("crm/") and len(line.name) == len("crm/") + 12
    for table in ("reservation", "budget"):
        assert "ada" not in str(databases.query(database, f"select {table}::text from {table}"))  # noqa: S608 - ours


def test_days_long_over_are_forgotten_and_nothing_else(database: Database) -> None:
    """What was taken on old days goes; this day, the month, the total and every ask stay."""
    money = Money(database, Limits())
    ask(money, database, "ada")
    before = money.taken()
    databases.query(database, "update budget set since = since - %s where scope = 'source'", KEEP.days + 1)
    money.prune()
    assert money.taken() == {key: amount for key, amount in before.items() if key[0] != "source"}
    assert databases.value(database, "select count(*) from budget where scope = 'source'") == 0
    assert money.spending("source")[0].asks == 1


@pytest.mark.parametrize(
    ("reporter", "limits", "told"),
    [
        ("ada", Limits(reporter=0), "the budget of this reporter's reports has no room"),
        ("ada", Limits(asks=0), "this reporter's reports had all their asks of an hour"),
        ("", Limits(asks=0), "this source's reports that name no reporter had all their asks of an hour"),
    ],
)
def test_a_person_is_told_whose_limit_it_was(database: Database, reporter: str, limits: Limits, told: str) -> None:
    """A refusal decides nothing, asks nobody, and says why in words."""
    (question,) = claimed(database, 1, reporter)
    with ProviderServer() as provider:
        paid = PaidAsker(spender.asker(f"{provider.url}/v1"), Money(database, limits))
        report = spender.REPORT.model_copy(update={"reporter": reporter})
        attempt = Attempt(question.run_id, question.claim_id, question.fence)
        asked = paid.ask(attempt, report, spender.KINDS, deadline=clock.now() + 10)
        assert provider.count == 0
    shared.stop()
    assert (asked.opinion, asked.why) == (None, f"no model was asked: {told}")


@pytest.mark.slow
@pytest.mark.parametrize(("reporters", "limit"), [(200, 500_000), (1, 90_000_000)], ids=["many", "one"])
def test_no_reporter_is_hot(pool: Database, reporters: int, limit: int) -> None:
    """Over 300 asks a second are reserved and settled: of many close to their limits, or of one who is far from it."""
    money = Money(pool, Limits(reporter=limit, asks=10_000))
    each = [claimed(pool, 2_000 // reporters, f"r{number}") for number in range(reporters)]
    questions = [question for row in zip(*each, strict=True) for question in row]

    def spend(question: Question) -> object:
        taken = money.reserve(question)
        if isinstance(taken, Reserved):
            money.settle(taken.reservation_id, Bill("gpt-x", 700))
        return taken

    at_once(spend, [replace(one, digest=b"w" * 32) for one in questions[:CONNECTIONS]])
    started = time.monotonic()
    verdicts = at_once(spend, questions)
    rate = len(questions) / (time.monotonic() - started)
    print(f"{reporters} reporters, {limit / 1e6:g} USD each: {rate:.0f} asks/s")
    assert verdicts == {Reserved: len(questions)}
    assert rate > 300


@pytest.mark.slow
def test_a_flood_of_one_reporter_does_not_hold_the_others_up(pool: Database) -> None:
    """While one reporter's reports are refused as fast as they come, others get in, and nothing is taken for him."""
    money = Money(pool, Limits(asks=20, reporter=500_000))
    flood, quiet = claimed(pool, 3_000, "flood"), claimed(pool, 15, "quiet")
    started = time.monotonic()
    verdicts = at_once(money.reserve, [*flood[:2_000], *quiet, *flood[2_000:]])
    rate = 3_015 / (time.monotonic() - started)
    print(f"{rate:.0f} verdicts/s")
    assert verdicts == {Reserved: 20 + 15, NoRoom("asks"): 3_000 - 20}
    assert rate > 300
