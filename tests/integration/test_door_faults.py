"""The guarded door when what its guards share is away, and when it is shut in the middle of the work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.scripted import PlainDecider
from tests.support.site import NOTICES, TICKETS, Site, report
from triage import local, retry
from triage.bootstrap import Services
from triage.config import Settings
from triage.engine import Engine, Outcome
from triage.model import EffectState, Stage, ToolClass
from triage.store.database import Database
from triage.store.shared import QUICK, SharedTools
from triage.store.tool_box import ALL, ToolBox
from triage.testing import Controls
from triage.toolset import Parts, Toolset

NOWHERE = "postgresql+psycopg://nobody:nothing@127.0.0.1:9/nothing"
DUE = "update run set due = now(), ring_at = now()"
ENDPOINTS = {TICKETS: "keyed/tickets", NOTICES: "keyed/notices"}


@pytest.fixture
def services(database_url: str, tools: Controls) -> Iterator[Services]:
    """Set up with two tools of the tool server."""
    given = {"kind": "webhook", "tool_class": "keyed", "timeout": "PT5S"}
    tracker, notifier = ({**given, "url": tools.endpoint(ENDPOINTS[name])} for name in (TICKETS, NOTICES))
    where: dict[str, object] = {"database_url": database_url, "tracker": tracker, "notifier": notifier}
    opened = Services(Settings(**where, egress_allow=("127.0.0.1",)))
    yield opened
    opened._transport.close()
    opened.close()


@pytest.fixture
def away() -> Iterator[SharedTools]:
    """What the guards share, at an address where nobody listens."""
    database = Database(NOWHERE)
    yield SharedTools(database)
    database.close()


def engine(services: Services, shared: SharedTools) -> Engine:
    """The real one, with guards that share this."""
    parts = Parts(services.settings, services.database, services._transport, shared, services.policy, ["team"], [])
    tools = Toolset(parts)
    return Engine(services.store, PlainDecider(), tools.guarded, tools.outlets, policy=retry.Policy())


def submit(services: Services) -> UUID:
    """A new run, which this process may work on."""
    services.lease.renew()
    return services.store.submit_many([report()], None)[0].run_id


def carry(services: Services, shared: SharedTools, run_id: UUID, *stages: Stage) -> list[Outcome]:
    """Work on these stages here."""
    return [engine(services, shared).run_stage(run_id, stage, services.lease) for stage in stages]


def test_guards_that_cannot_ask_let_nothing_out(services: Services, away: SharedTools, tools: Controls) -> None:
    """While what the guards share is away the run is postponed, says so, loses no attempt, and nothing is sent."""
    run_id = submit(services)
    began = time.monotonic()
    _, ticket = carry(services, away, run_id, Stage.TRIAGE, Stage.CREATE_TICKET)
    assert time.monotonic() - began < 2 * QUICK.total_seconds()
    assert (ticket.what, ticket.next_stage) == ("retry", None)
    assert ticket.why.startswith("nothing was sent, because the guards cannot be asked")
    assert timedelta() < value(services.database, "select due - now() from run") <= timedelta(seconds=5)
    assert tools.entry(ENDPOINTS[TICKETS]).attempts == 0
    (effect,) = services.runs.story(run_id).effects
    assert (effect.state, effect.remote_id) == (EffectState.PLANNED, None)
    assert value(services.database, "select attempt from run") == 0  # a wait is no try


def test_a_run_goes_on_once_the_guards_can_ask(services: Services, away: SharedTools, tools: Controls) -> None:
    """What was postponed between the ticket and the notice is finished later, and neither is made twice."""
    run_id = submit(services)
    carry(services, services.shared, run_id, Stage.TRIAGE, Stage.CREATE_TICKET)
    for _ in range(3):
        query(services.database, DUE)
        (late,) = carry(services, away, run_id, Stage.NOTIFY)
        assert late.what == "retry" and "the guards cannot be asked" in late.why
    query(services.database, DUE)
    (last,) = carry(services, services.shared, run_id, Stage.NOTIFY)
    assert (last.what, services.runs.get(run_id).status) == ("finished", "done")
    assert [tools.entry(name).attempts for name in ENDPOINTS.values()] == [1, 1]


def test_nothing_leaves_while_postgres_is_away(site: Site, servers_home: Path) -> None:
    """While Postgres is stopped two workers send nothing more; when it goes on all runs end, with one ticket each."""
    site.use_tools(ToolClass.KEYED, timeout=5)
    site.tools.configure(delay=0.2)
    for _ in range(2):
        site.ready_worker()
    ids = site.submit(30)
    waiting.until(lambda: site.entry(TICKETS).attempts > 4, 20, site.tails)
    with stopped(postgres(servers_home)):
        time.sleep(1)  # calls that were let out before
        sent = attempts(site)
        time.sleep(4)
        assert attempts(site) == sent
    assert 0 < sent < 2 * len(ids)
    site.wait(ids, 60)
    site.assert_once_each(ids)
    assert attempts(site) == 2 * len(ids)


@contextmanager
def stopped(postmaster: psutil.Process) -> Iterator[None]:
    """Let Postgres stand still for as long as the block lasts: the postmaster first, so that it starts no others."""
    postmaster.suspend()
    family = [postmaster, *postmaster.children()]
    try:
        for process in family:
            process.suspend()
        yield
    finally:
        for process in family:
            process.resume()


def postgres(home: Path) -> psutil.Process:
    """The tests' own."""
    (pid,) = [one.pid for one in local.status(home).servers if one.name == "postgres"]
    return psutil.Process(pid)


def attempts(site: Site) -> int:
    """Every call that reached the other systems."""
    return site.entry(TICKETS).attempts + site.entry(NOTICES).attempts


def test_a_switch_thrown_in_mid_flight_stops_everybody_within_a_second(site: Site) -> None:
    """With 20 runs in flight in two workers nothing is sent any more a second after the switch, and nothing is lost."""
    site.use_tools(ToolClass.KEYED, timeout=5)
    site.tools.configure(delay=0.3)
    workers = [site.ready_worker(slots=3) for _ in range(2)]
    ids = site.submit(20)
    waiting.until(lambda: site.entry(TICKETS).attempts > 6, 20, site.tails)
    box = ToolBox(site.database, "ada")
    box.disable(ALL, "wrong project")
    time.sleep(1)
    sent = attempts(site)
    time.sleep(3)
    assert attempts(site) == sent < 2 * len(ids), site.tails()
    assert len({row.process_id for row in query(site.database, "select distinct process_id from attempt")}) == 2
    waiting.until(lambda: waiters(site) + site.count(ids) == len(ids), 20, site.tails)
    box.enable(ALL)
    site.wait(ids, 60)
    site.assert_once_each(ids)
    assert attempts(site) == 2 * len(ids) and all(worker.alive for worker in workers)


def waiters(site: Site) -> int:
    """How many runs wait for a switch."""
    return int(value(site.database, "select count(*) from run where waits_on = 'switch'"))
