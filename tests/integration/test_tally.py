"""The tally is what the tables say, whoever is killed, whoever is late, and however many add to it at once."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.support import databases, waiting
from tests.support.databases import query, value
from tests.support.site import TICKETS, Site, report
from triage.model import ToolClass
from triage.model.money import Bill, Limits, Question, Reserved
from triage.store.database import Database
from triage.store.money import Money
from triage.store.overview import Overview
from triage.store.postgres import PostgresStore
from triage.store.tally import Tally

ROLLER = """
import sys
from triage.store.database import Database
from triage.store.tally import Tally
tally = Tally(Database(sys.argv[1]))
while True:
    tally.roll()
    print(flush=True)
"""
ATTEMPT = """
    with made as (
        insert into run (id, key, source, source_id, report_kind)
        values (triage_uuid7(), sha256(gen_random_uuid()::text::bytea), %s, 'r', 'bug') returning id
    )
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error, seconds)
    select id, 1, 'triage', 1, gen_random_uuid(), 'retry', 'status 503', 0.2 from made
"""
Key = tuple[str, str, str, str]


def counted(database: Database) -> dict[Key, int]:
    """What the tally says, with what is not in it yet."""
    return {(one.kind, one.name, one.stage, one.what): one.number for one in Tally(database).totals()}


def kept(database: Database) -> dict[Key, int]:
    """What is in the tally's table alone."""
    rows = query(database, "select kind, name, stage, what, number from tally where grain = 'ever'")
    return {(row.kind, row.name, row.stage, row.what): row.number for row in rows}


def true(database: Database) -> dict[Key, int]:
    """What the tables say, counted the slow way."""
    rows = query(
        database,
        """
        select 'run' as kind, source as name, '' as stage, 'received' as what, count(*) as number from run group by 2
        union all
        select 'run', source, '', 'done', count(*) from run where status = 'done' group by 2
        union all
        select 'attempt', source, stage, outcome, count(*) from attempt join run on run.id = run_id group by 2, 3, 4
        union all
        select 'effect', tool, stage, state, count(*)
        from effect join run on run.id = run_id where status = 'done' group by 2, 3, 4
        union all
        select 'decision', decided_by, '', kind, count(*) from decision group by 2, 4
        union all
        select 'event', '', '', what, count(*) from event group by 4
        """,
    )
    return {(row.kind, row.name, row.stage, row.what): row.number for row in rows}


def same(told: dict[Key, int], database: Database) -> bool:
    """Whether what is told of these kinds is what the tables say."""
    truth = true(database)
    kinds = {key[0] for key in truth}
    return {key: number for key, number in told.items() if key[0] in kinds} == truth


@contextmanager
def held_up(database_url: str) -> Iterator[psycopg.Connection]:
    """Keep every round from going on, until the block ends."""
    with psycopg.connect(databases.plain(database_url)) as connection:
        connection.execute("select from tally_mark for update")
        yield connection


def test_numbers_are_those_of_the_tables_after_real_work_and_a_killed_worker(site: Site) -> None:
    """Runs, attempts, effects and decisions are counted once each, before a round, after it, and after another."""
    site.use_tools(ToolClass.KEYED)
    site.tools.script(f"{ToolClass.KEYED}/{TICKETS}", *["hang"] * 3)
    victim = site.ready_worker()
    ids = site.submit(30)
    site.wait_called(times=3)
    victim.kill()
    site.ready_worker()
    site.wait(ids)
    told = counted(site.database)
    assert same(told, site.database)
    assert told["run", "demo", "", "done"] == len(ids)
    assert told["attempt", "demo", "create_ticket", "lost"] >= 1
    for _ in range(2):
        Tally(site.database).roll()
        assert counted(site.database) == told
    assert kept(site.database) == told
    now = datetime.now(UTC)
    series = Overview(site.database).series(now - timedelta(hours=1), now + timedelta(minutes=1))
    assert sum(point.done for point in series.runs) == len(ids)
    assert series.totals["notify"].finished == len(ids)
    objective = Overview(site.database).objectives(
        now - timedelta(hours=1), now + timedelta(minutes=1), timedelta(minutes=15)
    )
    assert (objective.received, objective.done, objective.fresh, objective.dead) == (len(ids), len(ids), len(ids), 0)


def add_rows(database_url: str, number: int) -> None:
    """Commit rows one after the other, in transactions that are open for a while."""
    with psycopg.connect(databases.plain(database_url)) as connection:
        for turn in range(60):
            connection.execute(ATTEMPT, [f"s{number}"])
            time.sleep(0.001 * (turn % (3 + number)))
            connection.commit()


def test_rounds_at_once_and_readers_count_everything_once(database: Database, database_url: str) -> None:
    """While many add rows in transactions of all lengths and several make rounds, no reader sees a number fall."""
    stop, tally = threading.Event(), Tally(database)

    def until_stopped(work: Callable[[], object]) -> list[object]:
        done = []
        while not stop.is_set():
            done.append(work())
        return done

    def attempts() -> int:
        return sum(number for key, number in counted(database).items() if key[0] == "attempt")

    with ThreadPoolExecutor(9) as pool:
        reader, *rollers = (pool.submit(until_stopped, work) for work in (attempts, *[tally.roll] * 3))
        adders = [pool.submit(add_rows, database_url, number) for number in range(5)]
        wait(adders)
        stop.set()
        wait(rollers)
        seen: list[Any] = reader.result()
    assert [one.exception() for one in (*adders, *rollers)] == [None] * 8
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert same(counted(database), database)
    tally.roll()
    assert same(kept(database), database)


def test_who_commits_late_is_counted_all_the_same(database: Database, database_url: str) -> None:
    """A report that is submitted in a transaction which outlasts several rounds is counted when it is committed."""
    tally = Tally(database)
    with psycopg.connect(databases.plain(database_url)) as connection:
        connection.execute("select triage_submit(%s)", [Jsonb(report("late").model_dump(mode="json"))])
        for _ in range(3):
            PostgresStore(database).submit_many([report("quick")], None)
            tally.roll()
        assert ("run", "late", "", "received") not in counted(database)
        connection.commit()
    assert counted(database)["run", "late", "", "received"] == 1
    tally.roll()
    tally.roll()
    assert kept(database)["run", "late", "", "received"] == 1
    assert same(kept(database), database)


def test_a_roller_killed_at_any_time_counts_nothing_twice(database: Database, database_url: str) -> None:
    """Processes that make rounds are killed one after the other, and the tally is still what the tables say."""
    for kill in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", ROLLER, database_url],
            stdout=subprocess.PIPE,
            cwd=Path.cwd(),
            start_new_session=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(30):
            query(database, ATTEMPT, f"s{kill}")
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
    assert same(counted(database), database)
    Tally(database).roll()
    assert same(kept(database), database)


def test_a_round_whose_connection_breaks_is_made_once(database: Database, database_url: str) -> None:
    """A round that is cut off in the database while it waits is repeated, and adds what there was once."""
    query(database, ATTEMPT, "demo")
    waits = "from pg_stat_activity where query like '%%tally_roll%%' and wait_event_type = 'Lock'"
    watcher = Database(database_url)  # of its own: a pool that breaks gives up what others have of it, still open
    with ThreadPoolExecutor(1) as pool, held_up(database_url):
        round_ = pool.submit(Tally(database).roll)
        waiting.until(lambda: query(watcher, f"select pid {waits}"), 5, lambda: "nobody waits")
        query(watcher, f"select pg_terminate_backend(pid) {waits}")
        time.sleep(0.2)
    round_.result(timeout=10)
    watcher.close()
    assert same(kept(database), database)


def test_a_restored_database_goes_on_counting(database: Database) -> None:
    """Where transactions are counted anew, as after a dump was restored, every row is counted once."""
    tally = Tally(database)
    for _ in range(3):
        query(database, ATTEMPT, "old")
    tally.roll()
    ahead = int(value(database, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")) + 30
    query(database, f"update attempt set seen = {ahead}")  # noqa: S608
    query(database, f"update run set seen = {ahead}")  # noqa: S608
    query(database, f"update tally_mark set snapshot = '{ahead + 10**6}:{ahead + 10**6}:'")  # noqa: S608
    for _ in range(60):
        query(database, ATTEMPT, "new")
        assert same(counted(database), database)
        tally.roll()
    assert same(kept(database), database)


def test_names_are_bounded(database: Database) -> None:
    """Of many sources only the first 400 are told apart, and what the others sent is still counted."""
    reports = [report(f"s{number}") for number in range(450)]
    PostgresStore(database).submit_many(reports, None)
    tally = Tally(database)
    tally.roll()
    PostgresStore(database).submit_many([report("one-more"), report("s3")], None)
    told = {key[1]: number for key, number in counted(database).items() if key[0] == "run"}
    assert len(told) == 401
    assert sum(told.values()) == 452
    assert told["other"] in {51, 52}
    tally.roll()
    assert {key[1]: number for key, number in kept(database).items() if key[0] == "run"} == told


def test_asks_are_counted_when_they_are_settled(database: Database) -> None:
    """Tokens and money of an ask are in the totals once it is settled, and once only."""
    claim = """
        insert into run (id, key, source, source_id, report_kind, fence, claim_id, claimed_by, claim_until)
        select gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'demo', 'r', 'bug', 1, gen_random_uuid(),
            gen_random_uuid(), now() + interval '1 hour' returning id, claim_id
    """
    (row,) = query(database, claim)
    money, tally = Money(database, Limits()), Tally(database)
    taken = money.reserve(Question(row.id, row.claim_id, 1, uuid4().bytes * 2, "gpt-x", "choose@1", 20_000))
    assert isinstance(taken, Reserved)
    tally.roll()
    assert not [key for key in counted(database) if key[0] == "model"]
    for _ in range(2):
        money.settle(taken.reservation_id, Bill("gpt-x", 300, 1, input_tokens=90, output_tokens=20))
        tally.roll()
    told = {key[3]: number for key, number in counted(database).items() if key[:2] == ("model", "gpt-x")}
    assert told == {"asks": 1, "requests": 1, "input": 90, "output": 20, "cached": 0, "reasoning": 0, "cost": 300}
    now = datetime.now(UTC)
    series = Overview(database).series(now - timedelta(minutes=5), now + timedelta(minutes=1))
    assert sum(point.cost for point in series.runs) == 300


def test_what_is_forgotten_stays_in_the_totals(database: Database) -> None:
    """Old minutes go, the hours and the totals that they are in stay."""
    query(database, ATTEMPT, "demo")
    tally = Tally(database)
    tally.roll()
    before = counted(database)
    assert value(database, "select count(*) from tally where grain = 'minute'") > 0
    query(database, "update tally set at = at - interval '3 days' where grain <> 'ever'")
    tally.forget()
    assert value(database, "select count(*) from tally where grain = 'minute'") == 0
    assert value(database, "select count(*) from tally where grain = 'hour'") > 0
    assert counted(database) == before


@pytest.mark.parametrize("outcome", ["held", "dead"])
def test_runs_that_need_a_person_are_counted_and_stand_in_the_overview(database: Database, outcome: str) -> None:
    """A run that is held or given up is in the totals once, and in how things stand with its age."""
    query(database, ATTEMPT.replace("'retry'", f"'{outcome}'"), "demo")
    status = f"status = '{outcome}', reason = 'why', waits_on = 'person', due = now() - interval '1 hour'"
    query(database, f"update run set {status}, ring_at = now()")  # noqa: S608
    assert counted(database)["run", "demo", "", outcome] == 1
    now = Overview(database).now()
    assert now.count(outcome) == 1
    oldest = now.oldest_held if outcome == "held" else now.oldest_dead
    assert timedelta(minutes=59) < oldest < timedelta(minutes=61)
    assert now.oldest_due == timedelta()
