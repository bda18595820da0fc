"""Workers, servers and other systems die, freeze and lie at bad moments, and still everything happens exactly once."""

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support import databases, waiting
from tests.support.site import NOTICES, TICKETS, Site, report
from triage import errors, local
from triage.model import Stage, Status, ToolClass
from triage.store.database import Database
from triage.store.postgres import PROCESS_TTL, PostgresStore

ASKABLE = [ToolClass.KEYED, ToolClass.FINDABLE]
SLOW = 1.5
"""Seconds that a call takes in which a worker is killed or stopped."""
HANG = 8
"""Seconds after which a call without an answer is given up."""
PROCESS_IS_DEAD = 5.0
"""Seconds after which the runs of a dead worker are due again."""


@pytest.mark.parametrize("kind", ASKABLE)
def test_a_killed_worker_is_replaced(site: Site, kind: ToolClass) -> None:
    """After SIGKILL in the middle of a call another worker finishes the run, soon, and nothing is made twice."""
    site.use_tools(kind, timeout=HANG, quarantine=1)
    site.tools.script(f"{kind}/{TICKETS}", *["hang"] * 3)
    victim = site.ready_worker()
    ids = site.submit(3)
    site.wait_called(times=3)
    site.ready_worker()
    victim.kill()
    seconds = site.wait(ids, 60)
    site.assert_once_each(ids)
    quarantine = 0 if kind is ToolClass.KEYED else HANG + 2
    assert seconds < PROCESS_IS_DEAD + quarantine + 5, f"recovery took {seconds:.1f} s\n{site.tails()}"
    assert outcomes(site, "lost") == 3


@pytest.mark.parametrize("kind", ASKABLE)
def test_a_worker_killed_between_two_commits_is_replaced(site: Site, kind: ToolClass) -> None:
    """A worker that dies after the other system's commit and before ours leaves one ticket, and the run goes on."""
    site.use_tools(kind, timeout=3, quarantine=1)
    site.tools.script(f"{kind}/{TICKETS}", "hang_after_commit")
    victim = site.ready_worker()
    ids = site.submit()
    waiting.until(lambda: site.entry(TICKETS).commits == 1, 20, site.tails)
    victim.kill()
    site.ready_worker()
    site.wait(ids, 40)
    site.assert_once_each(ids)


def test_an_unknown_outcome_of_a_blind_tool_waits_for_a_person(site: Site) -> None:
    """When the sender dies and the other system cannot be asked, the run is held with the reason, and sent no more."""
    site.use_tools(ToolClass.BLIND, timeout=3)
    site.tools.configure(delay=SLOW)
    victim = site.ready_worker()
    ids = site.submit()
    site.wait_called()
    victim.kill()
    site.ready_worker()
    site.wait(ids, 40, Status.HELD)
    (held,) = site.runs(ids)
    assert held.waits_on == "person"
    assert "cannot be asked" in str(held.reason)
    assert site.entry(TICKETS).attempts == 1


@pytest.mark.parametrize("kind", ASKABLE)
def test_a_stopped_worker_that_wakes_late_does_no_harm(site: Site, kind: ToolClass) -> None:
    """A worker that is frozen in a call until it counts as dead, and then goes on, makes nothing a second time."""
    site.use_tools(kind, timeout=2, quarantine=1)
    site.tools.configure(delay=0.5)
    frozen = site.ready_worker()
    ids = site.submit(3)
    site.wait_called()
    frozen.kill(signal.SIGSTOP)
    site.ready_worker()
    time.sleep(6.5)
    frozen.kill(signal.SIGCONT)
    site.wait(ids, 40)
    more = site.submit(5)
    site.wait(more, 20)
    site.assert_once_each(ids + more)


def test_a_live_but_slow_run_is_never_taken_away(site: Site) -> None:
    """A call that lasts longer than a dead process would be missed stays with its worker, and is made once."""
    site.use_tools(ToolClass.KEYED, timeout=20)
    site.tools.configure(delay=PROCESS_TTL.total_seconds() + 2)
    site.ready_worker()
    site.ready_worker()
    ids = site.submit()
    site.wait(ids, 40)
    assert site.entry(TICKETS).attempts == site.entry(NOTICES).attempts == 1
    assert databases.value(site.database, "select count(*) from attempt where outcome = 'lost'") == 0


def test_a_full_backlog_is_rung_again_soon_after_a_flush(site: Site) -> None:
    """With 5,000 runs waiting, the first is rung within 5 s of a flush, and no queue ever exceeds the high mark."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= {"TRIAGE_QUEUE_LOW": "20", "TRIAGE_QUEUE_HIGH": "50"}
    site.tools.configure(delay=0.2)  # so that the backlog lasts
    site.ready_worker(slots=4)
    site.submit(5_000)
    waiting.until(lambda: site.broker.length(Stage.TRIAGE) > 0, 10, site.tails)
    site.broker.flush()
    waiting.until(lambda: site.broker.length(Stage.TRIAGE) > 0, 5, site.tails)
    for _ in range(50):
        assert site.broker.length(Stage.TRIAGE) <= 50
        time.sleep(0.02)


def test_a_worker_frozen_before_the_first_byte_sends_nothing_late(site: Site) -> None:
    """A worker that wakes up after others hold it for dead starts no call, even if it had just claimed the effect."""
    site.use_tools(ToolClass.BLIND, timeout=2)
    frozen = site.ready_worker(slots=8)
    ids = []
    for _ in range(6):
        ids += site.submit(5)
        time.sleep(0.02)
        frozen.kill(signal.SIGSTOP)
        time.sleep(0.01)
        frozen.kill(signal.SIGCONT)
    ids += site.submit(20)
    time.sleep(0.05)
    frozen.kill(signal.SIGSTOP)
    site.ready_worker()
    time.sleep(6)
    frozen.kill(signal.SIGCONT)
    waiting.until(lambda: ended(site, ids), 40, lambda: site.explain(ids))
    for name in (TICKETS, NOTICES):
        assert site.entry(name).duplicates == ()


def test_a_killed_broker_comes_back_and_all_runs_end(site: Site) -> None:
    """The broker is killed and started again in the middle of 200 runs, and each of them ends with one ticket."""
    site.use_tools(ToolClass.KEYED)
    site.tools.configure(delay=0.1)
    worker = site.ready_worker(slots=8)
    ids = site.submit(200)
    waiting.until(lambda: site.count(ids) > 30, 20, site.tails)
    site.broker.kill()
    time.sleep(1)
    site.broker.start()
    site.wait(ids, 60)
    site.assert_once_each(ids)
    assert worker.alive


def test_a_flushed_broker_is_filled_again_and_never_overfilled(site: Site) -> None:
    """All messages are deleted while 500 runs wait: all end, none twice, and no queue ever exceeds the high mark."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= {"TRIAGE_QUEUE_LOW": "20", "TRIAGE_QUEUE_HIGH": "50"}
    site.tools.configure(delay=0.03)
    for worker in (site.worker(slots=8), site.worker(slots=8)):
        worker.wait_ready()
    ids, longest = site.submit(500), 0

    def done(number: int) -> bool:
        nonlocal longest
        longest = max(longest, *(site.broker.length(stage) for stage in Stage))
        return site.count(ids) >= number

    waiting.until(lambda: done(100), 30, site.tails)
    site.broker.flush()
    waiting.until(lambda: done(500), 60, lambda: site.explain(ids))
    site.assert_once_each(ids)
    assert site.entry(TICKETS).attempts == len(ids)
    assert 0 < longest <= 50


def test_a_database_that_crashes_loses_no_run(site: Site, servers_home: Path) -> None:
    """Postgres is shut down at once in the middle of 100 runs and recovers: all end, with one ticket each."""
    site.use_tools(ToolClass.KEYED)
    site.tools.configure(delay=0.1)
    worker = site.ready_worker(slots=8)
    ids = site.submit(100)
    waiting.until(lambda: site.count(ids) > 15, 20, site.tails)
    (postmaster,) = [one.pid for one in local.status(servers_home).servers if one.name == "postgres"]
    assert postmaster is not None
    os.kill(postmaster, signal.SIGQUIT)
    site.wait(ids, 60)
    site.assert_once_each(ids)
    assert worker.alive
    assert local.status(servers_home).running


def test_a_polite_end_gives_everything_back(site: Site) -> None:
    """On SIGTERM a worker finishes its calls, gives back the rest and leaves, and no run loses an attempt by it."""
    site.use_tools(ToolClass.BLIND, timeout=5)
    site.tools.configure(delay=1.0)
    leaving = site.ready_worker(slots=2)
    ids = site.submit(6)
    site.wait_called(times=2)
    leaving.kill(signal.SIGTERM)
    site.worker(slots=8)
    assert leaving.wait_end(15) == 0, leaving.tail()
    assert databases.value(site.database, "select count(*) from process where pid = %s", leaving.pid) == 0
    site.wait(ids, 30)
    site.assert_once_each(ids)
    assert outcomes(site, "lost") == 0


def test_a_report_is_accepted_without_a_broker(site: Site) -> None:
    """With the broker away a report is accepted at once, and rung when the broker is back."""
    worker = site.ready_worker()
    site.broker.kill()
    began = time.monotonic()
    ids = site.submit(3)
    assert time.monotonic() - began < 1
    time.sleep(1)
    assert site.count(ids, Status.ACTIVE) == 3
    site.broker.start()
    site.wait(ids, 40)
    site.assert_local_once_each(ids)
    assert worker.alive


@pytest.mark.parametrize("listens", [False, True])
def test_a_submission_without_a_database_fails_in_time(listens: bool) -> None:
    """With Postgres refusing or silent a submission ends within bounds, with an error that may be retried."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen()
        database = Database(f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none")
        began = time.monotonic()
        with pytest.raises(errors.StoreUnavailable) as raised:
            PostgresStore(database).submit_many([report()], None)
        assert raised.value.retryable
        assert time.monotonic() - began < 12
        database.close()


FAULTS = [
    "500_before",
    "500_after",
    "commit_then_drop",
    "garbage",
    "reset_before",
    "hang_after_commit",
    "hang",
    "huge",
    {"kind": "429", "seconds": 1},
    {"kind": "late_commit", "seconds": 0.8},
    {"kind": "hang_late_commit", "seconds": 1.6},
]


@pytest.mark.parametrize("kind", ASKABLE)
def test_whatever_the_other_system_answers_it_has_each_object_once(site: Site, kind: ToolClass) -> None:
    """Errors, lost and unreadable answers, and commits that come late end with one ticket and one notice each."""
    site.use_tools(kind, timeout=1, quarantine=1)
    site.judge_by('name = "patient"\n[breaker]\nthreshold = 1000000\n')  # so many faults in a row would open it
    for name in (TICKETS, NOTICES):
        site.tools.script(f"{kind}/{name}", *FAULTS)
    site.ready_worker(slots=16)
    ids = site.submit(len(FAULTS))
    site.wait(ids, 60)
    site.assert_once_each(ids)


def test_a_commit_as_late_as_the_quarantine_allows_is_not_repeated(site: Site) -> None:
    """A call that breaks off at once may be committed until the quarantine after its deadline, and is found then."""
    site.use_tools(ToolClass.FINDABLE, timeout=3, quarantine=1)
    site.tools.script(f"findable/{TICKETS}", {"kind": "late_commit", "seconds": 3.7})
    site.ready_worker()
    ids = site.submit()
    site.wait(ids, 40)
    time.sleep(2)
    site.assert_once_each(ids)


def test_a_wait_that_was_asked_for_is_kept(site: Site) -> None:
    """After 429 with Retry-After the call is made again no sooner than that, and once."""
    site.use_tools(ToolClass.BLIND)
    site.tools.script(f"blind/{TICKETS}", {"kind": "429", "seconds": 3})
    site.ready_worker()
    ids = site.submit()
    site.wait_called()
    assert site.wait(ids, 30) > 2.5
    site.assert_once_each(ids)
    assert site.entry(TICKETS).attempts == 2


def test_a_definite_no_ends_in_the_dead_letters(site: Site) -> None:
    """A refused ticket is not sent again by itself, and the run says what the other system said."""
    site.use_tools(ToolClass.BLIND)
    site.tools.script(f"blind/{TICKETS}", "refuse")
    site.ready_worker()
    ids = site.submit()
    site.wait(ids, 30, Status.DEAD)
    assert "422" in str(site.runs(ids)[0].reason)
    assert (site.entry(TICKETS).attempts, site.entry(TICKETS).commits) == (1, 0)


def outcomes(site: Site, outcome: str) -> int:
    """How many attempts ended like this."""
    return int(databases.value(site.database, "select count(*) from attempt where outcome = %s", outcome))


def ended(site: Site, ids: list[object]) -> bool:
    """Whether every run is done or held."""
    return site.count(ids, Status.DONE) + site.count(ids, Status.HELD) == len(ids)
