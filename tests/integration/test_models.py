"""Learned models in Postgres: put in use and rolled back while workers decide, and never half stored."""

import contextlib
import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import databases, waiting
from tests.support.databases import query, value
from tests.support.decisions import decided
from tests.support.site import Site, report
from tests.unit import labelled
from triage import errors
from triage.cli import checks, frame, learn, models
from triage.decide.learned import fileformat
from triage.decide.learned.model import Model
from triage.decide.learned.training import train
from triage.store.corrections import Corrections
from triage.store.database import Database
from triage.store.models import Models
from triage.store.postgres import PostgresStore

Run: TypeAlias = Callable[..., Result]
COLUMNS = ("--label", "Type", "--title", "Summary", "--body", "Text", "--created", "Opened")
BOTH = "select (select count(*) from model) as models, (select count(*) from model_use) as uses"


@pytest.fixture
def stored(database: Database) -> Models:
    """Give the test's models."""
    return Models(database)


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of an app that has these, in a folder of its own with a file of closed reports."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "closed.csv")
    app = typer.Typer()
    app.command()(learn.learn)
    app.add_typer(models.app, name="models")

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, words, catch_exceptions=False)

    return invoke


def write(path: Path) -> None:
    """Sixty closed reports."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Type", "Summary", "Text", "Opened"])
        rows.writerows([one.label, one.title, one.body, one.created] for one in labelled.reports(60))


def document(result: Result) -> Any:
    """The one document on standard output."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def keep(stored: Models, *versions: str, use: bool = False) -> None:
    """Store something under these names."""
    for version in versions:
        stored.save(version, b"content", {"labels": 3}, by="ada", use=use)


def test_rolling_back_goes_back_step_by_step(stored: Models) -> None:
    """Each roll-back goes one further back, past what was rolled back before, and at last to no model at all."""
    keep(stored, "a", "b", "c", use=True)
    back = [stored.roll_back(by="bo", why="worse")]
    keep(stored, "d", use=True)
    back += [stored.roll_back(by="bo") for _ in range(3)]
    assert back == ["b", "b", "a", None]
    assert stored.in_use() is None
    with pytest.raises(errors.NotAllowed, match="nothing to go back from"):
        stored.roll_back(by="bo")
    told = [(one.what, one.in_use, one.by_whom) for one in reversed(stored.history())]
    assert told[:4] == [("used", "a", "ada"), ("used", "b", "ada"), ("used", "c", "ada"), ("rolled back", "b", "bo")]
    assert stored.history()[-4].why == "worse"


def test_what_is_in_use_stays(stored: Models) -> None:
    """Using or saving it again adds nothing, removing it is refused, and what was removed cannot be gone back to."""
    keep(stored, "a", "b", use=True)
    keep(stored, "b", use=True)
    assert stored.use("b", by="ada") is False
    assert len(stored.history()) == 2
    with pytest.raises(errors.NotAllowed, match="b is in use"):
        stored.remove("b", by="ada")
    stored.remove("a", by="ada")
    with pytest.raises(errors.NotAllowed, match="there is no model a"):
        stored.roll_back(by="ada")
    assert (stored.in_use(), [one.version for one in stored.all()]) == ("b", ["b"])
    assert [one.what for one in stored.history()] == ["removed", "used", "used"]


@pytest.mark.parametrize("act", ["use", "remove", "content", "get"])
def test_what_is_not_there_is_refused(stored: Models, act: str) -> None:
    """The message says where to look."""
    by = {"by": "ada"} if act in {"use", "remove"} else {}
    with pytest.raises(errors.NotAllowed, match="there is no model x; see `triage models list`"):
        getattr(stored, act)("x", **by)


def test_a_repeated_statement_recognises_its_own_success(database: Database, stored: Models) -> None:
    """A statement whose connection broke after the commit is run again, and says yes without a second row."""
    keep(stored, "a", "b")
    turn = {"number": 1, "what": "used", "version": "a", "back_to": None, "by": "ada", "why": ""}
    gone = {"number": 2, "version": "b", "in_use": "a", "back_to": None, "by": "ada", "why": ""}
    for name, params in (("model_turn", turn), ("model_remove", gone)):
        assert [row.changed for _ in range(2) for row in database.all(name, params)] == [True, True]
        assert [row.changed for row in database.all(name, params | {"by": "eve"})] == [False]
    assert len(stored.history()) == 2


@contextlib.contextmanager
def turning(database_url: str, *, end: str, **row: Any) -> Iterator[None]:
    """Somebody who writes this row of the history, and ends the transaction only after another one waits for it."""
    names = ("number", "what", "version", "in_use", "by_whom")
    values = (row["number"], row["what"], row["version"], row["in_use"], "eve")
    with psycopg.connect(databases.plain(database_url)) as connection:
        connection.execute(f"insert into model_use ({', '.join(names)}) values (%s, %s, %s, %s, %s)", values)  # type: ignore[arg-type]  # noqa: S608 - fixed names
        if row["what"] == "removed":
            connection.execute("delete from model where version = %s", [row["version"]])
        yield
        connection.execute(end)


def test_a_model_that_is_put_in_use_at_that_moment_is_not_removed(
    database_url: str, database: Database, stored: Models
) -> None:
    """Removing waits for whoever is quicker, looks again, and is refused."""
    keep(stored, "a", "b")
    with ThreadPoolExecutor(1) as pool:
        with turning(database_url, end="commit", number=1, what="used", version="b", in_use="b"):
            removing = pool.submit(stored.remove, "b", by="ada")
            waiting.until(lambda: databases.blocked(database), 10, lambda: "nobody waits")
        with pytest.raises(errors.NotAllowed, match="b is in use"):
            removing.result(10)
    assert (stored.in_use(), stored.content("b")) == ("b", b"content")


def test_a_model_that_is_removed_at_that_moment_is_not_used(
    database_url: str, database: Database, stored: Models
) -> None:
    """Using it waits for whoever is quicker, looks again, and finds nothing there; saving it too stores it again."""
    keep(stored, "a", "b")
    with ThreadPoolExecutor(1) as pool:
        with turning(database_url, end="commit", number=1, what="removed", version="b", in_use=None):
            using = pool.submit(stored.use, "b", by="ada")
            waiting.until(lambda: databases.blocked(database), 10, lambda: "nobody waits")
        with pytest.raises(errors.NotAllowed, match="there is no model b"):
            using.result(10)
        with turning(database_url, end="commit", number=2, what="removed", version="a", in_use=None):
            saving = pool.submit(keep, stored, "a", use=True)
            waiting.until(lambda: databases.blocked(database), 10, lambda: "nobody waits")
        saving.result(10)
    assert (stored.in_use(), stored.content("a")) == ("a", b"content")


def test_a_large_model_is_stored_and_read(stored: Models) -> None:
    """64 MB come back as they were, and a byte more is refused by the table."""
    content = os.urandom(fileformat.LARGEST)
    stored.save("large", content, {}, by="ada", use=True)
    assert stored.content("large") == content
    with pytest.raises(Exception, match="model_content_check"):
        stored.save("larger", content + b"x", {}, by="ada")


def test_learn_stores_and_uses_what_it_learned(run: Run, stored: Models) -> None:
    """`--save` stores it, `--use` puts it in use, `export` writes the same file as `--out`, `list` has a star."""
    first = document(run("learn", "closed.csv", *COLUMNS, "--save", "--json"))
    assert (first["saved"], first["in_use"], stored.in_use()) == (True, False, None)
    told = run("learn", "closed.csv", *COLUMNS, "--target", "0.6", "--save", "--use", "--out", "b.model").stdout
    assert "words and phrases, written to b.model and stored, in use from now on" in told
    model = fileformat.load(Path("b.model"))
    assert stored.in_use() == model.version != first["model"]["version"]
    run("models", "export", model.version, "c.model")
    assert Path("c.model").read_bytes() == Path("b.model").read_bytes()
    with pytest.raises(errors.InvalidSetting, match="exists"):
        run("models", "export", model.version, "c.model")
    lines = [line.split() for line in run("models", "list").stdout.splitlines()]
    assert [line[0] for line in lines[1:]] == ["*", first["model"]["version"]]
    assert "decides between bug, feature, question" in run("models", "show", model.version).stdout
    assert "labels: 60" in run("models", "show", model.version).stdout


def test_models_are_used_rolled_back_and_removed_by_command(run: Run, stored: Models) -> None:
    """Each says what is in use now; removing asks first, so without a terminal it needs `--yes`."""
    keep(stored, "a", "b")
    assert run("models", "use", "a", "--why", "better").stdout == "a is in use from now on\n"
    assert run("models", "use", "a").stdout == "a is in use already\n"
    assert document(run("models", "use", "b", "--json")) == {"in_use": "b", "changed": True}
    assert run("models", "rollback").stdout == "a is in use from now on\n"
    with pytest.raises(frame.Misused, match="b would be deleted for good; say --yes"):
        run("models", "remove", "b")
    assert run("models", "remove", "b", "--yes").stdout == "b is removed\n"
    assert run("models", "rollback").stdout == "none of the stored models is in use from now on\n"
    told = run("models", "history").stdout.splitlines()
    assert [line.split("  ")[-1].partition(", by")[0] for line in told] == [
        "rolled back to none of the stored models",
        "removed b",
        "rolled back to a",
        "in use b",
        "in use a",
    ]
    assert told[-1].endswith(": better")


def test_labels_that_workers_cannot_decide_for_are_not_saved(run: Run) -> None:
    """A model file may know any labels, a stored model only kinds: the refusal says how to map them."""
    Path("closed.csv").write_text(Path("closed.csv").read_text().replace("question,", "Wish,"))
    with pytest.raises(frame.Misused, match=r"Wish: no kinds of reports.*--map LABEL=KIND"):
        run("learn", "closed.csv", *COLUMNS, "--save")
    assert document(run("learn", "closed.csv", *COLUMNS, "--map", "Wish=feature", "--save", "--json"))["saved"]
    for words in (("learn",), ("learn", "closed.csv", *COLUMNS, "--use")):
        with pytest.raises(frame.Misused, match=r"name a FILE|--use belongs to --save"):
            run(*words)


def correct_all(database: Database, reports: list[labelled.LabelledReport]) -> None:
    """Runs with these reports, whose kinds people corrected to the labels."""
    for one in reports:
        run_id = decided(database, "security", title=one.title, body=one.body)
        Corrections(database).add(run_id, "kind", one.label, by="ada", origin="person")


def test_people_teach_without_a_file(run: Run, database: Database, stored: Models) -> None:
    """From corrections alone a model is learned as from the same labels in a file; a kind with one is left out."""
    reports = labelled.reports(60)
    correct_all(database, [*reports, labelled.LabelledReport("crash", "Only one")])
    told = document(run("learn", "--corrections", "--save", "--use", "--json"))
    assert told["corrections"] == {"reports": 60, "dropped": 0, "instead": 0, "rare": {"crash": 1}}
    # In the order of the runs: two that come in within a millisecond may change places.
    places = [(one.report["title"], one.report["body"]) for one in Corrections(database).lessons()]
    learned = train(sorted(reports, key=lambda one: places.index((one.title, one.body))), 0.93).model
    assert stored.in_use() == told["model"]["version"] == learned.version
    assert stored.get(learned.version).numbers["corrections"] == 60


def test_a_correction_stands_above_the_file(run: Run, database: Database) -> None:
    """A report of the file that people corrected counts once, as corrected; --keep and --drop count for both."""
    reports = labelled.reports(60)
    correct_all(database, [labelled.LabelledReport("feature", one.title, one.body) for one in reports[:9:3]])
    correct_all(database, [labelled.LabelledReport("crash", "Another one")])
    told = run("learn", "closed.csv", *COLUMNS, "--corrections", "--drop", "crash").stdout
    assert "labels: feature 23, question 20, bug 17" in told
    assert "3 corrections by people, 3 of them instead of a label of the file · 1 left out" in told


def test_secrets_in_corrected_reports_are_not_learned(run: Run, database: Database, stored: Models) -> None:
    """What decisions see masked is learned masked."""
    secret = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0hL3nRu"
    reports = [labelled.LabelledReport(one.label, one.title, f"{one.body} {secret}") for one in labelled.reports(30)]
    correct_all(database, reports)
    version = document(run("learn", "--corrections", "--save", "--json"))["model"]["version"]
    assert secret.lower().encode() not in stored.content(version).lower()
    assert b"masked" in stored.content(version)


def test_a_killed_learn_leaves_all_or_nothing(database_url: str, database: Database, tmp_path: Path) -> None:
    """Killed while its one statement waits, `learn --save --use` has left no model that is not in use."""
    write(tmp_path / "closed.csv")
    command = [sys.executable, "-m", "triage.cli", "learn", "closed.csv", *COLUMNS, "--save", "--use"]
    environment = os.environ | {"TRIAGE_DATABASE_URL": database_url, "PYTHONPATH": str(Path.cwd())}
    with turning(database_url, end="rollback", number=1, what="used", version="x", in_use="x"):
        child = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
        try:
            waiting.until(lambda: databases.blocked(database), 60, lambda: f"ended with {child.poll()}")
            assert query(database, BOTH)[0].models == 0
        finally:
            child.kill()
            child.wait()
    waiting.until(lambda: not databases.blocked(database), 10, lambda: "still waiting")
    found = query(database, BOTH)[0]
    assert found.models == found.uses


def submit(site: Site) -> UUID:
    """Hand in a report that no rule knows."""
    return PostgresStore(site.database).submit_many([report(title="About the wish", body="It is so.")], None)[0].run_id


def deciding(site: Site) -> str:
    """What one more report's decision says about who would have decided it."""
    run_id = submit(site)
    site.wait([run_id])
    return str(value(site.database, "select content from decision where run_id = %s", run_id))


def follow(site: Site, version: str) -> float:
    """Wait until decisions name this version; how long that took, in seconds."""
    return waiting.until(lambda: version in deciding(site), 20, site.tails)


@pytest.mark.slow
def test_a_worker_follows_what_is_in_use(site: Site, stored: Models) -> None:
    """Without a restart it takes up a new version within seconds, and goes back to the old one as fast."""
    first, second = (train(labelled.reports(120, noise=0.0), target).model for target in (0.6, 0.7))
    for model in (first, second):
        stored.save(model.version, fileformat.to_bytes(model), {}, by="ada")
    stored.use(first.version, by="ada")
    site.ready_worker()
    assert first.version in deciding(site)
    stored.use(second.version, by="ada")
    assert follow(site, second.version) < 15
    assert stored.roll_back(by="ada") == first.version
    assert follow(site, first.version) < 15


def found(learned: str = "") -> dict[str, checks.Check]:
    """What `doctor` says, with this model file set."""
    with pytest.MonkeyPatch.context() as environment:
        if learned:
            environment.setenv("TRIAGE_LEARNED", learned)
        return {check.part: check for check in checks.run()}


@pytest.fixture(scope="module")
def trained() -> Model:
    """Train once."""
    return train(labelled.reports(60), 0.9).model


def test_doctor_tells_whether_the_stored_model_can_decide(
    database_url: str, stored: Models, trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in use is no finding; a good one is named, a damaged one fails, and a file that wins is pointed out."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TRIAGE_BROKER_URL", "redis://127.0.0.1:9/0")
    assert "stored model" not in found()
    stored.save(trained.version, fileformat.to_bytes(trained), {}, by="ada", use=True)
    good = found()["stored model"]
    assert (good.state, good.found) == ("ok", f"{trained.version}, for bug, feature, question")
    fileformat.save(trained, tmp_path / "a.model")
    both = found(str(tmp_path / "a.model"))
    assert (both["stored model"].state, both["learned"].state) == ("warn", "ok")
    stored.save("damaged", b"nothing", {}, by="ada", use=True)
    bad = found()["stored model"]
    assert bad.state == "fail" and "damaged: is no model" in bad.found and "triage models rollback" in bad.mend
