"""The books against the budgets, against the prices, against what the provider served, and against the attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy

from tests.money.plan import PRICES
from tests.money.provider import Provider
from triage.decide.llm.meter import TRIES
from triage.model.money import Limits
from triage.store.database import Database
from triage.store.money import Money

ASKS = sqlalchemy.text("""
    select run_id, source, reserved, coalesce(spent, 0) as spent, settled_at is not null as settled,
        coalesce(requests, 0) as requests, coalesce(input_tokens, 0) as sent, coalesce(output_tokens, 0) as received,
        coalesce(cached_tokens, 0) as cached
    from reservation
""")
DEAREST_RUN = sqlalchemy.text("""
    select coalesce(max(taken), 0)::bigint from (
        select sum(coalesce(spent, reserved)) as taken from reservation group by run_id) as runs
""")
DEAREST_SOURCE_DAY = sqlalchemy.text("""
    select coalesce(max(taken), 0)::bigint from (
        select sum(coalesce(spent, reserved)) as taken from reservation group by source, day) as sources
""")
DEAREST_DAY = sqlalchemy.text("""
    select coalesce(max(taken), 0)::bigint from (
        select sum(coalesce(spent, reserved)) as taken from reservation group by day) as days
""")
DEAREST_REPORTER_DAY = sqlalchemy.text("""
    select coalesce(max(taken), 0)::bigint from (
        select sum(coalesce(spent, reserved)) as taken from reservation group by reporter, day) as reporters
""")
MOST_ASKS = sqlalchemy.text("""
    select coalesce(max(asks), 0)::bigint from (
        select count(*) as asks from reservation where made_at > now() - interval '1 hour'
        group by reporter) as reporters
""")
ALL = sqlalchemy.text("select coalesce(sum(coalesce(spent, reserved)), 0)::bigint from reservation")
DEAREST = {
    "run": DEAREST_RUN,
    "source": DEAREST_SOURCE_DAY,
    "day": DEAREST_DAY,
    "total": ALL,
    "reporter": DEAREST_REPORTER_DAY,
    "asks": MOST_ASKS,
}
PAID_AFTER = sqlalchemy.text("""
    select count(*) from reservation join attempt using (run_id)
    where stage = 'triage' and outcome = 'finished' and made_at > ended_at
""")
ANSWERED_TWICE = sqlalchemy.text("""
    select count(*) from (
        select from reservation where answer is not null group by run_id, question having count(*) > 1) as twice
""")
STATUSES = sqlalchemy.text("select status, count(*) from run group by status")
DECIDED = sqlalchemy.text("select decided_by, count(*) from decision group by decided_by order by 1")
ATTEMPTS = sqlalchemy.text("select stage || ' ' || outcome, count(*) from attempt group by 1 order by 1")
REFUSED = sqlalchemy.text("""
    select case when content ->> 'reason' ~ 'had all their asks of an hour' then 'asks'
        when content ->> 'reason' ~ 'reports[a-z ]* has no room' then 'reporter'
        else substring(content ->> 'reason' from 'the budget of the (\\w+) has no room') end as scope, count(*)
    from decision group by 1
""")


@dataclass(frozen=True, slots=True)
class Scope:
    """The most that was taken out of one budget of this kind when a wave was over, in micro-USD, or in asks."""

    wave: str
    scope: str
    limit: int
    taken: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A budget that was seen above its limit while the campaign went on."""

    scope: str
    name: str
    taken: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What the campaign itself knows; `seconds` from its start to its end."""

    seed: int
    seconds: float
    runs: int
    kills: int
    scopes: Sequence[Scope]


@dataclass(frozen=True, slots=True)
class Sums:
    """Over all asks, in micro-USD: settled, of that at prices for tokens, and what was never settled."""

    asks: int
    settled: int
    by_tokens: int
    unaccounted: int
    unaccounted_asks: int
    requests: int
    wrong: int


def taken(database: Database) -> dict[str, int]:
    """Micro-USD taken by now out of the budgets of each kind, at the most, counted from the asks themselves."""
    return {name: int(database.read(query)[0][0]) for name, query in DEAREST.items()}


def scopes(database: Database, wave: str, limits: Limits) -> list[Scope]:
    """What is taken when a wave is over."""
    return [Scope(wave, name, getattr(limits, name), most) for name, most in taken(database).items()]


def passed(books: Mapping[tuple[str, str], int], limits: Limits) -> list[Passed]:
    """The budgets that are above their limits in the books."""
    given = {(scope, name): getattr(limits, scope) for scope, name in books}
    return [Passed(*key, books[key]) for key, limit in given.items() if limit is not None and books[key] > limit]


def judge(database: Database, provider: Provider, found: Findings, seen: Sequence[Passed]) -> dict[str, Any]:
    """All figures, and `violations` in words."""
    sums, refused = added(database.read(ASKS)), _counts(database, REFUSED)
    result = {
        **asdict(found),
        "statuses": _counts(database, STATUSES),
        "decided_by": _counts(database, DECIDED),
        "attempts": _counts(database, ATTEMPTS),
        "refused": {scope: number for scope, number in refused.items() if scope != "None"},
        "asks": asdict(sums),
        "books": Money(database, Limits()).taken().get(("total", ""), 0),
        "provider": {"requests": provider.count, "billed": provider.billed, "most_at_once": provider.most_at_once},
        "served": {str(behaviour): number for behaviour, number in sorted(provider.served.items())},
        "seen_passed": [asdict(one) for one in _worst(seen)],
        "paid_after_finish": int(database.read(PAID_AFTER)[0][0]),
        "answered_twice": int(database.read(ANSWERED_TWICE)[0][0]),
    }
    return result | {"violations": violations(result)}


def added(asks: Sequence[Any]) -> Sums:
    """An ask is settled at its tokens' price, and at one request's worst on top if one may be owed."""
    settled = [one for one in asks if one.settled]
    lost = [one.reserved for one in asks if not one.settled]
    return Sums(
        asks=len(asks),
        settled=sum(one.spent for one in settled),
        by_tokens=sum(_price(one) for one in settled),
        unaccounted=sum(lost),
        unaccounted_asks=len(lost),
        requests=sum(one.requests for one in settled),
        wrong=sum(one.spent - _price(one) not in {0, one.reserved // TRIES} for one in settled),
    )


def violations(result: Mapping[str, Any]) -> list[str]:
    """What must not be."""
    asks, served = result["asks"], result["provider"]
    gone = asks["settled"] + asks["unaccounted"]
    rules = {
        "not every run is done": result["statuses"] == {"done": result["runs"]},
        "a settlement is not its usage at prices": asks["wrong"] == 0,
        "the budgets' rows are not the sum of the asks": result["books"] == gone,
        "more was recorded for answers than the provider served": asks["by_tokens"] <= served["billed"],
        "the provider may bill more than was taken": served["billed"] <= gone,
        "requests were made that nobody reserved": served["requests"]
        <= asks["requests"] + result["served"].get("429", 0) + TRIES * asks["unaccounted_asks"],
        "a finished stage was paid again": result["paid_after_finish"] == 0,
        "nobody was killed": result["kills"] > 0,
    }
    over = [
        f"{one['wave']}, {one['scope']}: {one['taken']} of {one['limit']}" for one in result["scopes"] if _is_over(one)
    ]
    over += [f"seen above its limit: {one}" for one in result["seen_passed"]]
    loose = [f"the budget of the {scope} did not bind" for scope in DEAREST if not result["refused"].get(scope)]
    return [*over, *loose, *(words for words, holds in rules.items() if not holds)]


def _worst(seen: Sequence[Passed]) -> list[Passed]:
    """Of each budget the moment at which most was taken."""
    return list({(one.scope, one.name): one for one in sorted(seen, key=lambda one: one.taken)}.values())


def _is_over(scope: Mapping[str, Any]) -> bool:
    return bool(scope["taken"] > scope["limit"])


def _price(ask: Any) -> int:
    fresh, cached, received = (Decimal(PRICES[name]) for name in ("input", "cached_input", "output"))
    return int(fresh * (ask.sent - ask.cached) + cached * ask.cached + received * ask.received)


def _counts(database: Database, query: sqlalchemy.TextClause) -> dict[str, int]:
    rows: Sequence[Any] = database.read(query)
    return {str(name): int(number) for name, number in rows}
