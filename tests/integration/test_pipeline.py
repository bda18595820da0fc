"""The whole chain with real servers and real workers: every report becomes one run, one ticket and one notice."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb
from pytest_celery import CeleryTestSetup

from tests.support import databases, waiting
from tests.support.nodes import client_app
from tests.support.site import Site, report
from triage.model import Report, Stage, ToolClass
from triage.store.database import Database
from triage.store.postgres import PostgresStore

CLIENTS = 50
ROUNDS = 30

NAIVE = """
drop function triage_submit;
create function triage_submit(report jsonb, trace text default null) returns table (run_id uuid, created boolean)
language sql as $$
    with made as (
        insert into run (id, key, source, source_id, report_kind)
        values (triage_uuid7(), triage_key(report ->> 'source', report ->> 'source_id', report ->> 'kind'),
            report ->> 'source', report ->> 'source_id', report ->> 'kind')
        on conflict (key) do nothing returning id
    )
    select id, true from made
    union all
    select id, false from run where key = triage_key(report ->> 'source', report ->> 'source_id', report ->> 'kind')
$$;
"""


def run_ids(database: Database) -> list[UUID]:
    """Every run there is."""
    return [row.id for row in databases.query(database, "select id from run")]


def wait_for_runs(site: Site, number: int) -> list[UUID]:
    """Wait until so many runs are there; their ids."""
    waiting.until(lambda: len(run_ids(site.database)) == number, 20, site.tails)
    return run_ids(site.database)


def test_a_message_by_name_becomes_a_ticket_and_a_notice(celery_setup: CeleryTestSetup, site: Site) -> None:
    """A service that has only the broker sends a report by the task's name, and its run ends done."""
    assert celery_setup.ready(docker=True)
    celery_setup.app.send_task("triage.submit", kwargs=report().model_dump(mode="json"))
    ids = wait_for_runs(site, 1)
    site.wait(ids)
    site.assert_local_once_each(ids)
    celery_setup.worker.assert_log_does_not_exist("Traceback", timeout=0)


def test_an_invalid_message_by_name_writes_nothing(celery_setup: CeleryTestSetup, site: Site) -> None:
    """A report by name that breaks a bound makes no run, and the worker names the field in its log."""
    assert celery_setup.ready(docker=True)
    celery_setup.app.send_task("triage.submit", kwargs={"source": "demo", "source_id": "1", "title": "x" * 501})
    celery_setup.worker.assert_log_exists("InvalidReport", timeout=20)
    assert "title" in celery_setup.worker.logs()
    assert run_ids(site.database) == []


@pytest.mark.parametrize("kind", [ToolClass.KEYED, ToolClass.FINDABLE, ToolClass.BLIND])
def test_every_class_of_tool_gets_each_object_once(site: Site, kind: ToolClass) -> None:
    """With nothing going wrong every class of tool is called exactly once for each effect."""
    site.use_tools(kind)
    site.ready_worker()
    ids = site.submit(10)
    site.wait(ids)
    site.assert_once_each(ids)
    assert site.entry("tickets").attempts == site.entry("notices").attempts == len(ids)


def test_each_stage_can_have_workers_of_its_own(site: Site) -> None:
    """Three workers that serve one queue each carry runs through all stages, and each does its own stage alone."""
    workers = {stage: site.worker(queues=[stage]) for stage in (Stage.TRIAGE, Stage.CREATE_TICKET, Stage.NOTIFY)}
    for worker in workers.values():
        worker.wait_ready()
    ids = site.submit(20)
    site.wait(ids)
    site.assert_local_once_each(ids)
    done_by = databases.query(
        site.database, "select stage, pid from attempt join process on process.id = process_id group by 1, 2"
    )
    assert {(row.stage, row.pid) for row in done_by} == {(stage, worker.pid) for stage, worker in workers.items()}


def test_a_repeat_after_the_end_is_the_same_run(site: Site) -> None:
    """A report that is submitted again when its run is done returns that run and files nothing."""
    site.ready_worker()
    first = report(source_id="again")
    store = PostgresStore(site.database)
    (once,) = store.submit_many([first], None)
    site.wait([once.run_id])
    (again,) = store.submit_many([report(source_id="again", body="told differently")], None)
    assert (again.run_id, again.created) == (once.run_id, False)
    site.assert_local_once_each([once.run_id])


def test_fifty_concurrent_clients_make_one_run(site: Site) -> None:
    """However often fifty clients race with one report, all of them get the same run, and one is told it is new."""
    site.ready_worker()
    answers = race(site, [submit_one] * CLIENTS)
    for answer in answers:
        assert len({one.run_id for one in answer}) == 1
        assert sum(one.created for one in answer) == 1
    ids = [answer[0].run_id for answer in answers]
    site.wait(ids)
    site.assert_local_once_each(ids)


def test_the_race_finds_a_submission_that_answers_in_one_statement(site: Site) -> None:
    """The race is wide enough to catch `on conflict do nothing` beside a select, which can see neither row."""
    databases.query(site.database, NAIVE)
    with pytest.raises(ValueError, match="zip"):
        race(site, [submit_one] * CLIENTS)


def test_clients_of_both_kinds_make_one_run(site: Site) -> None:
    """Clients that submit themselves and clients that send a message by name come to one run for each report."""
    site.ready_worker(slots=8)
    app = client_app(site.broker.url)

    def send(_: PostgresStore, sent: Report) -> None:
        app.send_task("triage.submit", kwargs=sent.model_dump(mode="json"))

    race(site, [submit_one, send] * 8, rounds=10)
    waiting.until(lambda: not site.broker.length("submit"), 20, site.tails)
    ids = run_ids(site.database)
    assert len(ids) == 10
    site.wait(ids)
    site.assert_local_once_each(ids)
    app.close()


Client = Callable[[PostgresStore, Report], object]


def submit_one(store: PostgresStore, sent: Report) -> object:
    """Submit through a connection of one's own."""
    return store.submit_many([sent], None)[0]


def race(site: Site, clients: Sequence[Client], rounds: int = ROUNDS) -> list[list[object]]:
    """Let all clients submit the same report at the same moment, a new one in each round; their answers by round."""
    barrier = threading.Barrier(len(clients))
    reports = [report() for _ in range(rounds)]

    def run(client: Client) -> list[object]:
        database = Database(site.database.engine.url.render_as_string(hide_password=False), pool_size=1)
        try:
            return [_at_once(barrier, client, PostgresStore(database), one) for one in reports]
        finally:
            database.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        racing = [pool.submit(run, client) for client in clients]
    errors = [error for one in racing if (error := one.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error  # what went wrong first, not what the others noticed of it
    return [list(answers) for answers in zip(*(one.result() for one in racing), strict=True)]


def _at_once(barrier: threading.Barrier, client: Client, store: PostgresStore, sent: Report) -> object:
    try:
        barrier.wait(30)
        return client(store, sent)
    except threading.BrokenBarrierError:
        return None  # another client failed, and says why
    except BaseException:
        barrier.abort()
        raise


@pytest.mark.parametrize("commits", [True, False])
def test_a_submission_shares_the_fate_of_its_transaction(
    database: Database,
    database_url: str,
    commits: bool,
) -> None:
    """A report submitted in another service's own transaction is accepted if that commits, else it never was."""
    fields = report().model_dump(mode="json")
    with psycopg.connect(databases.plain(database_url)) as connection:
        submitted = connection.execute("select run_id, created from triage_submit(%s)", [Jsonb(fields)]).fetchone()
        assert submitted is not None
        assert submitted[1] is True
        assert run_ids(database) == []
        connection.commit() if commits else connection.rollback()
    assert run_ids(database) == ([submitted[0]] if commits else [])


def test_a_submission_waits_for_the_transaction_that_came_first(database: Database, database_url: str) -> None:
    """While another transaction holds the same report, a submission waits, and makes the run if that is rolled back."""
    sent = report()
    with psycopg.connect(databases.plain(database_url)) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("select triage_submit(%s)", [Jsonb(sent.model_dump(mode="json"))])
        answer = pool.submit(submit_one, PostgresStore(database), sent)
        with pytest.raises(TimeoutError):
            answer.result(timeout=0.5)
        connection.rollback()
        assert answer.result(timeout=5).created


@pytest.mark.parametrize(
    "fields",
    [{}, {"source": "demo"}, {"source": "demo", "source_id": "1"}, {"source": "demo", "source_id": "1", "title": 5}],
)
def test_the_sql_function_refuses_what_no_run_can_be_made_of(database_url: str, fields: dict[str, object]) -> None:
    """A report without source, id or title is refused inside the caller's transaction."""
    with psycopg.connect(databases.plain(database_url)) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("select triage_submit(%s)", [Jsonb(fields)])
