"""Whoever is to be told what became of a run is told at least once, whatever is killed, with an id that stays."""

import base64
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.support import databases, waiting
from tests.support.databases import query, value
from tests.support.site import Site
from triage import cli, config
from triage.model import Status
from triage.model.lifecycle import Lifecycle
from triage.store.approvals import Approvals
from triage.store.database import Database
from triage.store.outbox import Outbox
from triage.testing.twins.base import Asked, Reply
from triage.testing.twins.receiver import Receiver
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.webhooks import WAITS, Webhooks

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
ROOT = Path(__file__).parents[2]
TELLER = """
from triage import bootstrap
services = bootstrap.services()
while True:
    services.lease.renew()
    services.webhooks.round()
    print(flush=True)
"""
ENDED = """
    with made as (
        insert into run (id, key, source, source_id, report_kind, status, reason, waits_on)
        values (triage_uuid7(), sha256(gen_random_uuid()::text::bytea), 'demo', 'r-1', 'bug', %s, 'status 503',
            case when %s = 'held' then 'person' end)
        returning id
    )
    insert into attempt (run_id, fence, stage, number, process_id, outcome, error)
    select id, 7, 'notify', 1, gen_random_uuid(), %s, 'status 503' from made returning run_id
"""


class Flaky(Receiver):
    """A receiver that answers as it is told to, for as long as there is something said."""

    def __init__(self) -> None:
        super().__init__(SECRET)
        self.answers: list[Reply] = []
        self.first: Callable[[], None] | None = None
        self.pace = 0.0

    def answer(self, asked: Asked) -> Reply:
        """Give the next answer that was told; else take it, and do what was to be done before it is said."""
        if self.answers:
            return self.answers.pop(0)
        time.sleep(self.pace)
        reply, first, self.first = super().answer(asked), self.first, None
        if first is not None:
            first()
        return reply


@pytest.fixture
def receiver() -> Iterator[Flaky]:
    """Run a receiver that has received nothing."""
    with Flaky() as receiver:
        yield receiver


@pytest.fixture
def transport() -> Iterator[Transport]:
    """Connect to this machine only."""
    transport = Transport(egress=Egress(["127.0.0.1"]))
    yield transport
    transport.close()


class Telling:
    """Webhooks of a test's own; `to` sets one up."""

    def __init__(self, database: Database, receiver: Receiver, transport: Transport) -> None:
        self._parts = Outbox(database), transport
        self._url = f"{receiver.url}/hook"

    def to(self, name: str = "ops", events: Sequence[Lifecycle] = tuple(Lifecycle)) -> Webhooks:
        """Tell the receiver, from now on."""
        given = {"name": name, "url": self._url, "secret": SECRET, "events": events}
        made = Webhooks([config.Webhook.model_validate(given)], *self._parts)
        made.round()
        return made


@pytest.fixture
def telling(database: Database, receiver: Flaky, transport: Transport) -> Telling:
    """Give the test what sets up its webhooks."""
    return Telling(database, receiver, transport)


def ended(database: Database, outcome: str) -> UUID:
    """A run whose last attempt ended so."""
    found: UUID = value(database, ENDED, outcome, outcome, outcome)
    return found


def states(database: Database) -> dict[str, int]:
    """How many calls there are of each state."""
    return {
        row.state: row.number
        for row in query(database, "select state, count(*) as number from webhook_call group by 1")
    }


def said(receiver: Receiver) -> list[dict[str, Any]]:
    """The bodies that came."""
    return [json.loads(one.body) for one in receiver.deliveries]


def given_to(site: Site, receiver: Receiver, **more: object) -> None:
    """Let the workers that are started from now on tell this receiver."""
    one = {"name": "ops", "url": f"{receiver.url}/hook", "secret": SECRET, **more}
    site.settings["TRIAGE_WEBHOOKS"] = json.dumps([one])
    Outbox(site.database).enlist("ops")


def test_the_leading_worker_tells_what_was_done(site: Site, receiver: Flaky) -> None:
    """Each run that a worker does is told once, signed, with its ticket and an id made of it."""
    given_to(site, receiver)
    site.ready_worker()
    ids = site.submit(5)
    site.wait(ids)
    waiting.until(lambda: len(receiver.deliveries) == 5, 20, site.tails)
    told = {one["data"]["run_id"]: one for one in said(receiver)}
    assert set(told) == {str(one) for one in ids}
    assert {one["type"] for one in told.values()} == {"run.done"}
    for one in receiver.deliveries:
        run_id = json.loads(one.body)["data"]["run_id"]
        assert one.id.startswith(f"{run_id}-done-a")
    assert states(site.database) == {"told": 5}


def test_what_happens_to_runs_is_told_by_name(database: Database, receiver: Flaky, telling: Telling) -> None:
    """Held and dead runs are told with the reason, each once; a run that is held again is told again."""
    told = telling.to()
    held, dead = ended(database, "held"), ended(database, "dead")
    assert [told.round() for _ in range(3)] == [2, 0, 0]
    assert {(one["type"], one["data"]["run_id"], one["data"]["reason"]) for one in said(receiver)} == {
        ("run.held", str(held), "status 503"),
        ("run.dead", str(dead), "status 503"),
    }
    again = "insert into attempt (run_id, fence, stage, number, process_id, outcome, error)"
    query(database, f"{again} values (%s, 9, 'notify', 1, gen_random_uuid(), 'held', 'once more')", held)
    assert told.round() == 1
    assert [one.id for one in receiver.deliveries][2:] == [f"{held}-held-a9"]


def test_only_what_was_asked_for_is_told(database: Database, telling: Telling) -> None:
    """A webhook for dead runs is told of no held one, and two webhooks are told apart."""
    dead, all_of_it = telling.to(events=[Lifecycle.DEAD]), telling.to("all")
    ended(database, "held")
    ended(database, "dead")
    assert (dead.round(), all_of_it.round()) == (1, 2)


def test_what_happened_before_is_not_told(database: Database, receiver: Flaky, telling: Telling) -> None:
    """A webhook that is set today is not told of yesterday's runs; one that was taken out begins anew."""
    ended(database, "dead")
    told = telling.to()
    assert (told.round(), states(database)) == (0, {})
    ended(database, "dead")
    told.round()
    Outbox(database).forget([])
    assert states(database) == {}
    ended(database, "dead")
    assert (telling.to().round(), len(receiver.deliveries)) == (0, 1)


def test_a_denied_ticket_is_told_as_dead(site: Site, receiver: Flaky, telling: Telling) -> None:
    """A run that waits for leave is told as held, and as dead when a person denies it."""
    site.judge_by('name = "careful"\n[approval]\npurposes = ["tickets"]\n')
    site.ready_worker()
    told = telling.to()
    (run_id,) = site.submit()
    site.wait([run_id], status=Status.HELD)
    (one,) = Approvals(site.database).asked()
    Approvals(site.database).decide(one.id, one.digest, leave=False, by="ada", why="spam")
    told.round()
    assert Counter(one["type"] for one in said(receiver)) == {"run.held": 1, "run.dead": 1}
    assert "ada denied leave: spam" in receiver.deliveries[1].body


def test_a_run_that_no_model_was_asked_for_is_told(database: Database, receiver: Flaky, telling: Telling) -> None:
    """Where a budget had no room the decision says so, and that is told."""
    told = telling.to(events=[Lifecycle.OVER_BUDGET])
    reason = "no rule; no model was asked: the budget of the day has no room"
    for number, why in enumerate((reason, "no rule; no model was asked: this reporter's reports had all their asks")):
        run_id = value(
            database,
            "insert into run (id, key, source, source_id, report_kind) "
            "values (triage_uuid7(), %s, 'demo', 'r', 'bug') returning id",
            bytes([number]) * 32,
        )
        decided = (
            "insert into decision (run_id, kind, severity, decided_by, content) values (%s, 'bug', 'low', 'x', %s)"
        )
        query(database, decided, run_id, json.dumps({"reason": why}))
        tried = "insert into attempt (run_id, fence, stage, number, process_id, outcome)"
        query(database, f"{tried} values (%s, 1, 'triage', 1, gen_random_uuid(), 'finished')", run_id)
    assert told.round() == 1
    (one,) = said(receiver)
    assert one["type"] == "run.over_budget"
    assert one["data"]["reason"] == "no model was asked: the budget of the day has no room"


def test_a_receiver_that_fails_is_asked_again_later(database: Database, receiver: Flaky, telling: Telling) -> None:
    """A call that fails waits longer each time and ends the round; the others go on in the next one."""
    told = telling.to()
    first, second = ended(database, "dead"), ended(database, "dead")
    receiver.answers = [Reply(HTTPStatus.SERVICE_UNAVAILABLE), Reply(HTTPStatus.SERVICE_UNAVAILABLE)]
    assert [told.round() for _ in range(3)] == [0, 0, 0]
    rows = query(database, "select run_id, state, attempts, error, due - now() as wait from webhook_call order by at")
    assert [(row.run_id, row.state, row.attempts) for row in rows] == [(first, "waiting", 1), (second, "waiting", 1)]
    assert all("503" in row.error and timedelta() < row.wait <= WAITS[0] for row in rows)
    query(database, "update webhook_call set due = now()")
    assert told.round() == 2
    assert states(database) == {"told": 2}


@pytest.mark.parametrize("status", [HTTPStatus.GONE, HTTPStatus.BAD_REQUEST])
def test_attempts_are_bounded(database: Database, receiver: Flaky, telling: Telling, status: HTTPStatus) -> None:
    """A receiver that is gone is given up at once, one that never says yes after the last attempt."""
    told = telling.to()
    ended(database, "dead")
    last = 1 if status is HTTPStatus.GONE else len(WAITS) + 1
    for attempts in range(1, last + 1):
        receiver.answers = [Reply(status)]
        query(database, "update webhook_call set due = now()")
        assert told.round() == 0
        assert states(database) == {"given_up" if attempts == last else "waiting": 1}
    receiver.answers = []
    assert told.round() == 0
    (counted,) = Outbox(database).counts()
    assert (counted.name, counted.waiting, counted.told, counted.given_up) == ("ops", 0, 0, 1)
    assert str(int(status)) in str(counted.error)


def test_the_command_tells_how_it_goes(
    database: Database,
    database_url: str,
    receiver: Flaky,
    telling: Telling,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`triage webhooks` tells what waits and what was told, and why something waits."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    assert cli.main(["webhooks"]) == 0
    assert "no webhook" in capsys.readouterr().out
    told = telling.to()
    ended(database, "dead")
    told.round()
    ended(database, "dead")
    receiver.answers = [Reply(HTTPStatus.BAD_GATEWAY)]
    told.round()
    assert cli.main(["webhooks"]) == 0
    assert "502" in capsys.readouterr().out
    assert cli.main(["webhooks", "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["name"], one["waiting"], one["told"], one["given_up"]) == ("ops", 1, 1, 0)


def test_who_commits_late_is_told_all_the_same(
    database: Database, database_url: str, receiver: Flaky, telling: Telling
) -> None:
    """What happens in a transaction that outlasts several rounds is told when it is committed."""
    told = telling.to()
    with psycopg.connect(databases.plain(database_url)) as connection:
        late = connection.execute(ENDED, ["dead"] * 3).fetchone()
        for _ in range(3):
            ended(database, "dead")
            assert told.round() == 1
        connection.commit()
    assert late is not None
    assert (told.round(), told.round()) == (1, 0)
    assert receiver.deliveries[-1].id == f"{late[0]}-dead-a7"


def test_rounds_at_once_lose_nothing(database: Database, receiver: Flaky) -> None:
    """While runs end and several processes make rounds, each run is written down once."""
    outbox = Outbox(database)
    outbox.enlist("ops")
    with ThreadPoolExecutor(6) as pool:
        made = pool.map(lambda _: ended(database, "dead"), range(120))
        list(pool.map(lambda _: outbox.find("ops", list(Lifecycle)), range(60)))
        ids = set(made)
    outbox.find("ops", list(Lifecycle))
    assert {row.run_id for row in query(database, "select run_id from webhook_call")} == ids
    assert receiver.deliveries == []


def teller(site: Site) -> subprocess.Popen[bytes]:
    """A process that makes rounds and nothing else."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **site.settings}
    return subprocess.Popen(
        [sys.executable, "-c", TELLER],
        env=environment,
        cwd=site.folder,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def ended_by_kill(process: subprocess.Popen[bytes]) -> None:
    """Let nothing of it go on."""
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def test_a_teller_killed_in_its_call_tells_it_again_with_the_same_id(site: Site, receiver: Flaky) -> None:
    """Who dies after the receiver has taken it and before that is saved leaves it to the next, who repeats it."""
    given_to(site, receiver)
    run_id = ended(site.database, "dead")
    victim = teller(site)
    receiver.first = lambda: ended_by_kill(victim)
    waiting.until(lambda: victim.poll() is not None, 20, lambda: "it was not called")
    assert states(site.database) == {"waiting": 1}
    other = teller(site)
    waiting.until(lambda: states(site.database) == {"told": 1}, 20, lambda: str(states(site.database)))
    ended_by_kill(other)
    assert [one.id for one in receiver.deliveries] == [f"{run_id}-dead-a7"] * 2


def test_a_teller_killed_at_any_time_leaves_nothing_untold(site: Site, receiver: Flaky) -> None:
    """Killed again and again while it finds and tells: every run is told, under its one id."""
    given_to(site, receiver)
    receiver.pace = 0.02
    ids = []
    for kill in range(5):
        ids += [ended(site.database, "dead") for _ in range(20)]
        process, wanted = teller(site), len(receiver.deliveries) + 3 * kill
        waiting.until(lambda: len(receiver.deliveries) >= wanted, 20, lambda: "nothing came")  # noqa: B023
        ended_by_kill(process)
    assert states(site.database).get("waiting", 0) > 0
    last = teller(site)
    waiting.until(lambda: states(site.database) == {"told": len(ids)}, 20, lambda: str(states(site.database)))
    ended_by_kill(last)
    assert {one.id for one in receiver.deliveries} == {f"{run_id}-dead-a7" for run_id in ids}
