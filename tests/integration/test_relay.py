"""Which runs are rung, when, and how often: the relay's statements, and its work against a real broker."""

import time
from uuid import UUID, uuid4

import pytest

from tests.support import waiting
from tests.support.databases import query, value, wait_until_processes_can_die
from tests.support.site import Site
from triage.model import Claim, Stage, ToolClass
from triage.store.database import Database
from triage.store.lease import ProcessLease
from triage.store.postgres import PostgresStore
from triage.store.relay import RelayStore, Ring

SEED = """
insert into run (id, key, source, source_id, report_kind, priority, checkpoint, due, ring_at)
select triage_uuid7(), sha256(convert_to(%(source)s || ' ' || n, 'UTF8')), %(source)s, n::text, 'bug', %(priority)s,
    %(checkpoint)s, now() - interval '1 minute', now() - interval '1 minute' + n * interval '1 microsecond'
from generate_series(1, %(number)s) n
"""
FAST = 0.1


@pytest.fixture
def relay(database: Database) -> RelayStore:
    """The relay of one process."""
    return RelayStore(database, uuid4())


def seed(database: Database, number: int, source: str = "crm", priority: int = 0, checkpoint: str = "received") -> None:
    """Make so many runs that wait."""
    given = {"number": number, "source": source, "priority": priority, "checkpoint": checkpoint}
    with database.engine.connect() as connection:
        connection.exec_driver_sql(SEED, given)


def sources(database: Database, rings: list[Ring]) -> list[str]:
    """The source of each rung run."""
    ids = [ring.run_id for ring in rings]
    found = {row.id: row.source for row in query(database, "select id, source from run where id = any(%s)", ids)}
    return [found[run_id] for run_id in ids]


def room(places: int) -> dict[Stage, int]:
    """So much room in the first queue."""
    return {Stage.TRIAGE: places}


def claimed(database: Database) -> tuple[Claim, ProcessLease]:
    """A process that lives and has claimed the one run there is."""
    lease = ProcessLease(database, "somebody", list(Stage))
    lease.renew()
    run_id: UUID = value(database, "select id from run")
    claim = PostgresStore(database).claim(run_id, Stage.TRIAGE, lease)
    assert isinstance(claim, Claim)
    return claim, lease


def test_a_small_source_does_not_wait_behind_a_large_one(database: Database, relay: RelayStore) -> None:
    """Of 1,000 runs of one source and 3 of another, the 3 are among the first 6 that are rung."""
    seed(database, 1_000, "crm")
    seed(database, 3, "sentry")
    assert sources(database, relay.ring(room(6))).count("sentry") == 3


def test_what_is_left_of_the_room_goes_to_whoever_waits(database: Database, relay: RelayStore) -> None:
    """Fair shares leave no room empty: a source alone gets all of it."""
    seed(database, 20, "crm")
    seed(database, 1, "sentry")
    assert len(relay.ring(room(15))) == 15


def test_priority_goes_before_fairness(database: Database, relay: RelayStore) -> None:
    """Runs of a higher priority are rung before all others, whatever their source."""
    seed(database, 50, "crm")
    seed(database, 5, "sentry")
    seed(database, 4, "pager", priority=9)
    assert sources(database, relay.ring(room(6)))[:4] == ["pager"] * 4


def test_never_more_are_rung_than_there_is_room(database: Database, relay: RelayStore) -> None:
    """Each queue gets at most its own room, from the runs that wait for its stage."""
    seed(database, 30, "crm")
    seed(database, 30, "sentry", checkpoint="triaged")
    rings = relay.ring({Stage.TRIAGE: 7, Stage.CREATE_TICKET: 11, Stage.NOTIFY: 5})
    assert [sum(ring.checkpoint == name for ring in rings) for name in ("received", "triaged")] == [7, 11]


def test_two_relays_at_once_ring_each_run_once(database: Database, relay: RelayStore) -> None:
    """Should two relays ring at the same time, no run is rung by both."""
    seed(database, 200)
    other = RelayStore(database, uuid4())
    ids = [ring.run_id for each in (relay, other) * 5 for ring in each.ring(room(20))]
    assert len(ids) == len(set(ids)) == 200


def test_a_claimed_run_is_not_rung(database: Database, relay: RelayStore) -> None:
    """A run that somebody works on is left alone, however long ago it was due."""
    seed(database, 1)
    claimed(database)
    assert relay.ring(room(5)) == []


def test_a_rung_run_is_left_alone_for_a_growing_interval(database: Database, relay: RelayStore) -> None:
    """After each ring a run that nobody took is rung again later than the time before, up to five minutes."""
    seed(database, 1)
    waits = []
    for _ in range(8):
        assert len(relay.ring(room(5))) == 1
        assert relay.ring(room(5)) == []
        waits.append(round(value(database, "select extract(epoch from ring_at - now()) from run")))
        query(database, "update run set ring_at = now()")
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_lost_broker_makes_everything_rung_due_again_once(database: Database, relay: RelayStore) -> None:
    """With a new token what was rung is due at once; with the same token again it is not."""
    seed(database, 10)
    relay.broker_lost("first")
    assert len(relay.ring(room(20))) == 10
    relay.broker_lost("first")
    assert relay.ring(room(20)) == []
    relay.broker_lost("second")
    assert len(relay.ring(room(20))) == 10


def test_a_lost_broker_does_not_wake_what_is_not_due(database: Database, relay: RelayStore) -> None:
    """A run that waits for a later time goes on waiting when the broker is lost."""
    seed(database, 1)
    query(database, "update run set rings = 1, due = now() + interval '1 hour', ring_at = now() + interval '1 hour'")
    relay.broker_lost("new")
    assert relay.ring(room(5)) == []


def test_the_runs_of_a_dead_process_are_due_at_once(database: Database, relay: RelayStore) -> None:
    """A process that was not seen for over four seconds is removed, and what it had claimed is rung."""
    seed(database, 1)
    relay.ring(room(5))
    claimed(database)
    assert relay.reap() == []
    wait_until_processes_can_die(database)
    query(database, "update process set seen_at = seen_at - interval '4.1 seconds'")
    assert relay.reap() == ["somebody"]
    assert len(relay.ring(room(5))) == 1


def test_a_process_that_signs_off_gives_its_runs_back(database: Database, relay: RelayStore) -> None:
    """What a process still had when it ended in good order is rung at once, and it is gone."""
    seed(database, 1)
    relay.ring(room(5))
    _, lease = claimed(database)
    lease.give_up()
    assert len(relay.ring(room(5))) == 1
    assert value(database, "select count(*) from process") == 0


def test_one_relay_leads_until_its_lease_is_over(database: Database, relay: RelayStore) -> None:
    """A second relay does not lead while the first renews its lease, and takes over when that has run out."""
    other = RelayStore(database, uuid4())
    assert relay.lead()
    assert not other.lead()
    assert relay.lead()
    query(database, "update relay set until = now()")
    assert other.lead()
    assert not relay.lead()


BACKLOGS = {"one source": (1, 100_000, FAST), "ten sources": (10, 10_000, FAST), "a thousand": (1_000, 100, 1.0)}


@pytest.mark.parametrize(("many", "each", "limit"), BACKLOGS.values(), ids=BACKLOGS)
def test_ringing_stays_fast_with_a_long_backlog(
    database: Database, relay: RelayStore, many: int, each: int, limit: float
) -> None:
    """With 100,000 runs waiting the next are chosen within a tenth of a second, and within one from 1,000 sources."""
    for number in range(many):
        seed(database, each, f"source-{number}")
    query(database, "vacuum analyze run")
    seconds = min(timed(relay) for _ in range(3))
    assert seconds < limit, f"{seconds:.3f} s"


def test_ringing_stays_fast_while_a_stage_has_no_worker(database: Database, relay: RelayStore) -> None:
    """With 100,000 runs waiting for a stage whose queue is full, those for another stage are chosen as fast."""
    seed(database, 100_000, checkpoint="triaged")
    seed(database, 1_500, "later")
    query(database, "vacuum analyze run")
    seconds = min(timed(relay) for _ in range(3))
    assert seconds < FAST, f"{seconds:.3f} s"


def timed(relay: RelayStore) -> float:
    """How long one ring takes, in seconds."""
    began = time.perf_counter()
    assert relay.ring(room(400))
    return time.perf_counter() - began


def test_a_waiting_run_is_not_rung_again_and_again(site: Site) -> None:
    """While a worker is busy, each run that waits has one message in its queue, and no second one."""
    site.use_tools(ToolClass.BLIND, timeout=10)
    site.tools.configure(delay=1.2)
    site.ready_worker(slots=1)
    ids = site.submit(8)
    site.wait_called()
    longest = 0

    def look() -> bool:
        nonlocal longest
        longest = max(longest, site.broker.length(Stage.TRIAGE))
        return site.count(ids) >= 2

    waiting.until(look, 30, site.tails)
    assert longest <= len(ids) - 1
    assert value(site.database, "select max(rings) from run") == 1
