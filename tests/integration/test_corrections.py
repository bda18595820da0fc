"""What people say that decisions should have been: counted once, told with the run, and acted upon by nobody."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import databases, waiting
from tests.support.databases import query, value
from tests.support.decisions import decided, submitted
from tests.support.site import report
from triage import errors
from triage.cli import correct, frame, look
from triage.client import Client
from triage.store.corrections import BATCH, Change, Corrections, Record
from triage.store.database import Database
from triage.store.postgres import PostgresStore

Run: TypeAlias = Callable[..., Result]


@pytest.fixture
def corrections(database: Database) -> Corrections:
    """Correct decisions in the test's database."""
    return Corrections(database)


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of an app that has these."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    app = typer.Typer()
    app.command()(correct.correct)
    app.command()(correct.corrections)
    app.command()(look.show)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return invoke


def document(result: Result) -> Any:
    """The one document on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def everything(database: Database) -> list[Any]:
    """All that a correction must leave as it is."""
    tables = ("run", "decision", "effect", "attempt", "local_ticket", "local_notice")
    return [query(database, f"select * from {table} order by 1") for table in tables]  # noqa: S608 - fixed names


def test_a_correction_stands_until_the_next_one(database: Database, corrections: Corrections) -> None:
    """Saying what stands already changes nothing, whether it was decided or corrected; the last one counts."""
    run_id = decided(database, "bug")
    said = [corrections.add(run_id, "kind", kind, by="ada", origin="person") for kind in ("bug", "crash", "crash")]
    assert said == [False, True, False]
    assert corrections.standing(run_id) == {"kind": "crash"}
    assert corrections.change(run_id, "kind", "bug", by="ada", origin="tracker") == Change("kind", "crash", "bug")
    assert corrections.standing(run_id) == {"kind": "bug"}


@pytest.mark.parametrize(("said", "was"), [("crash", "crash"), ("feature", "crash")])
def test_of_two_at_once_the_second_sees_what_the_first_said(
    database_url: str, database: Database, corrections: Corrections, said: str, was: str
) -> None:
    """Who comes second waits and looks again: the same is not counted twice, and another value comes after it."""
    run_id = decided(database, "bug")
    columns = "run_id, field, number, value, by_whom, origin"
    first = f"insert into correction ({columns}) values (%s, 'kind', 1, 'crash', 'a', %s)"  # noqa: S608 - fixed text
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(databases.plain(database_url)) as connection:
            connection.execute(first, (run_id, "tracker"))
            second = pool.submit(corrections.change, run_id, "kind", said, by="ada", origin="person")
            waiting.until(lambda: databases.blocked(database), 10, lambda: "nobody waits")
        assert second.result(10) == Change("kind", was, said)
    events = value(database, "select count(*) from event where what = 'corrected'")
    assert (corrections.standing(run_id), events) == ({"kind": said}, int(said != was))


def test_what_is_not_decided_cannot_be_corrected(database: Database, corrections: Corrections) -> None:
    """A run without a decision, and one that is not there, are refused by name."""
    with pytest.raises(errors.NotAllowed, match="not decided yet"):
        corrections.add(submitted(database), "kind", "bug", by="ada", origin="person")
    with pytest.raises(errors.RunNotFound):
        corrections.add(uuid4(), "kind", "bug", by="ada", origin="person")


@pytest.mark.parametrize(
    ("field", "said", "told"),
    [
        ("kind", "nonsense", "is none of bug"),
        ("severity", "", "is none of critical"),
        ("component", "c" * 65, "up to 64 characters"),
        ("component", "a\nb", "in one line"),
        ("component", "a\x00", "in one line"),
        ("route", " ", "is empty"),
        ("route", "\ud800", "in one line"),
        ("title", "Other", "is no field of a decision"),
    ],
)
def test_a_value_out_of_bounds_is_refused(database: Database, field: str, said: str, told: str) -> None:
    """The message names the field, and of several corrections none was made."""
    run_id = decided(database)
    with Client(str(database.engine.url.render_as_string(hide_password=False))) as client:
        with pytest.raises(errors.InvalidCorrection, match=told):
            client.correct(run_id, "ada", **({"severity": "low"} | {field: said}))
        assert client.correct(run_id, "ada", severity="low") == [Change("severity", "medium", "low")]


def test_correct_says_what_was_and_what_is(run: Run, database: Database) -> None:
    """The command records who, changes nothing else, and `show` tells it in the decision and in what happened."""
    run_id = decided(database, "bug")
    before = everything(database)
    first = run("correct", str(run_id), "kind=feature", "component=check=out")
    assert first.stdout.splitlines() == ["kind was bug, is now feature", "component was nothing, is now check=out"]
    again = document(run("correct", str(run_id), "kind=feature", "component=", "--json"))
    assert again["changes"] == [
        {"field": "kind", "was": "feature", "now": "feature", "changed": False},
        {"field": "component", "was": "check=out", "now": "", "changed": True},
    ]
    assert everything(database) == before
    told = run("show", str(run_id)).stdout
    assert "people say that it should have been: component none, kind feature" in told
    assert f"kind corrected from bug to feature by {frame.who()}" in told
    assert document(run("show", str(run_id), "--json"))["corrections"] == {"component": "", "kind": "feature"}


@pytest.mark.parametrize("words", [("kind",), ("kind=bug", "kind=crash"), ("by=eve",), ("run_id=1",)])
def test_what_is_no_correction_is_wrong_use(run: Run, database: Database, words: tuple[str, ...]) -> None:
    """A field without a value, one that is there twice, and one that is none are refused."""
    with pytest.raises((frame.Misused, errors.InvalidCorrection)):
        run("correct", str(decided(database)), *words)


def test_the_summary_counts_for_each_decider(run: Run, database: Database, corrections: Corrections) -> None:
    """A run counts once for each field that is another one now; what was taken back does not count."""
    learned = [decided(database, "bug", "learned", {"classifier": "learned-1", "rules": "r1"}) for _ in range(4)]
    ruled = decided(database, "crash", "rules", {"rules": "r1"})
    decided(database, "question")
    for field, said in (("kind", "feature"), ("kind", "crash"), ("severity", "low")):
        corrections.add(learned[0], field, said, by="ada", origin="person")  # type: ignore[arg-type]
    corrections.add(learned[1], "severity", "high", by="ada", origin="person")
    for kind in ("bug", "crash"):
        corrections.add(ruled, "kind", kind, by="ada", origin="person")
    assert corrections.summary() == [
        Record("learned", "learned-1", decided=4, corrected=2, kind=1, severity=2, component=0, route=0),
        Record("nobody", "", decided=1, corrected=0, kind=0, severity=0, component=0, route=0),
        Record("rules", "r1", decided=1, corrected=0, kind=0, severity=0, component=0, route=0),
    ]
    query(database, "update run set created_at = now() - interval '3 days' where id = any(%s)", learned)
    assert [one["decided_by"] for one in document(run("corrections", "--since", "2d", "--json"))] == ["nobody", "rules"]
    assert run("corrections", "--since", "4d").stdout.splitlines()[1].split()[-1] == "75.0%"
    with pytest.raises(frame.Misused, match="such as 2026-01-31"):
        run("corrections", "--since", "soon")


def test_a_long_list_of_corrected_reports_is_read_in_order(database: Database, corrections: Corrections) -> None:
    """More than a batch of them come once each, with the kind that stands, and others do not come."""
    ids = [one.run_id for one in PostgresStore(database).submit_many([report() for _ in range(BATCH + 100)], None)]
    query(database, "insert into decision select id, 'bug', 'low', 'x', '{}' from run")
    kinds = "(values (1, 'bug'), (2, 'crash')) as kinds (number, kind)"
    columns = "run_id, field, number, value, by_whom, origin"
    said = f"select id, 'kind', number, kind, 'a', 'person' from run, {kinds}"  # noqa: S608 - fixed text
    query(database, f"insert into correction ({columns}) {said}")
    decided(database)
    lessons = list(corrections.lessons())
    assert [one.run_id for one in lessons] == sorted(ids)
    assert {one.kind for one in lessons} == {"crash"}
