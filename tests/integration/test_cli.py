"""The command line on a real Postgres: what it prints, what it changes, and its exit codes."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from triage import bootstrap, cli, config
from triage.client import Client, NotFinished
from triage.errors import InvalidReport, RunNotFound
from triage.model import Stage

MAPPED = ("--map", "title=Summary", "--map", "source_id=Issue id", "--set", "source=bugzilla")
NOWHERE = "postgresql+psycopg://nobody:nothing@127.0.0.1:9/nothing"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the embedded servers of one folder running for all tests here."""
    folder = tmp_path_factory.mktemp("cli") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIAGE_HOME", str(folder))
        opened = bootstrap.Services(config.load())
        opened.database_url  # noqa: B018 - starts the servers
        yield folder
        opened.close()


@pytest.fixture
def services(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[bootstrap.Services]:
    """Connect to the state behind the command."""
    monkeypatch.setenv("TRIAGE_HOME", str(home))
    opened = bootstrap.Services(config.load())
    yield opened
    opened.close()


@dataclass
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


Triage = Callable[..., Answer]


@pytest.fixture
def triage(services: bootstrap.Services, capsys: pytest.CaptureFixture[str]) -> Triage:
    """Run the command in this process."""
    del services

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture
def run_id(services: bootstrap.Services) -> UUID:
    """Submit a run that waits for a worker."""
    with Client(services=services) as client:
        return client.submit(source="crm", source_id=str(uuid4()), title="It broke [red]not markup[/]").run_id


def change(services: bootstrap.Services, run_id: UUID, assignments: str) -> None:
    """Bring a run into a state that only a worker would bring it into."""
    with services.database.engine.connect() as connection:
        connection.exec_driver_sql(f"update run set {assignments} where id = %(id)s", {"id": run_id})  # noqa: S608


def leave_unknown(services: bootstrap.Services, run_id: UUID) -> None:
    """Let a run be held for a call of which nobody knows whether it happened."""
    with services.database.engine.connect() as connection:
        connection.exec_driver_sql(
            "insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, content, state, "
            "not_before) values (sha256(%(id)s::text::bytea), %(id)s, 'create_ticket', 'tracker', 'crm', 'blind', "
            "interval '1 s', interval '1 s', '{}', 'unknown', now())",
            {"id": run_id},
        )
    change(services, run_id, "status = 'held', waits_on = 'person', reason = 'nobody knows', checkpoint = 'triaged'")


def test_one_report_is_one_run_however_often(triage: Triage) -> None:
    """The second submission of a report says that it is a repeat, and gives the same run."""
    words = ("submit", "--source", "crm", "--source-id", uuid4(), "--title", "It broke", "--label", "ui", "--json")
    first, second = triage(*words), triage(*words)
    assert (first.code, second.code) == (0, 0)
    assert (first.json["created"], second.json["created"]) == (True, False)
    assert first.json["run_id"] == second.json["run_id"]
    assert triage("show", first.json["run_id"], "--json").json["report"]["labels"] == ["ui"]


def test_a_report_that_breaks_a_bound_is_refused_with_its_field(triage: Triage) -> None:
    """A refused report ends with code 1, as a line for people and as JSON for programs."""
    words = ("submit", "--source", "CRM!", "--source-id", "1", "--title", "t")
    assert triage(*words).err.startswith("error: source: ")
    answer = triage(*words, "--json")
    told = json.loads(answer.err)
    assert (answer.code, answer.out) == (1, "")
    assert (told["type"], told["code"], told["retryable"]) == ("InvalidReport", 1, False)


@pytest.mark.parametrize(
    "words",
    [
        ("submit",),
        ("submit", "--title", "t", "--file", "f"),
        ("submit", "--title", "t", "--map", "a=b"),
        ("submit", "--file", "there-is-no-such-file"),
        ("submit", "--file", ".", "--set", "source=a"),
        ("submit", "--file", "f", "--map", "colour=Red"),
        ("submit", "--file", "f", "--format", "xml"),
        ("show",),
        ("nonsense",),
        ("list", "--status", "sleeping"),
        ("wait",),
        ("redrive",),
        ("resolve", "x"),
        ("resolve", "x", "--did-not-happen", "--link", "y"),
    ],
)
def test_wrong_use_is_told_with_code_2(triage: Triage, words: tuple[str, ...]) -> None:
    """Wrong use ends with code 2 and one line, and with one JSON document when JSON is asked for."""
    answer = triage(*words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert json.loads(triage(*words, "--json").err)["code"] == 2


def test_a_file_is_submitted_and_its_bad_rows_are_kept(triage: Triage, tmp_path: Path) -> None:
    """Good rows are accepted, repeats recognised, bad rows told and written to a file, and the code is 1."""
    path, bad = tmp_path / "bugs.csv", tmp_path / "bad.csv"
    one, two = uuid4(), uuid4()
    path.write_text(f"Summary,Issue id,Status\nFirst,{one},NEW\n,{two},NEW\nFirst,{one},NEW\nSecond,{two},NEW,x\n")
    answer = triage("submit", "--file", path, *MAPPED, "--bad-rows", bad)
    assert (answer.code, answer.out) == (1, "1 accepted new · 1 repeats · 2 bad rows\n")
    assert answer.err.splitlines()[0] == "row 3 (line 3), title: is empty"
    assert bad.read_text().splitlines()[0:2] == ["row,line,field,problem", "3,3,title,is empty"]
    again = triage("submit", "--file", path, *MAPPED, "--json").json
    assert (again["new"], again["repeats"], again["bad"], again["bad_rows"][1]["row"]) == (0, 2, 2, 5)


def test_only_the_first_bad_rows_are_shown(triage: Triage, tmp_path: Path) -> None:
    """Of many bad rows twenty are shown, and the rest is counted."""
    path = tmp_path / "bugs.csv"
    path.write_text("source,source_id,title\n" + "crm,1,\n" * 50)
    answer = triage("submit", "--file", path)
    assert answer.err.count("title: is empty") == 20
    assert "and 30 more bad rows" in answer.err


def test_reports_come_from_standard_input(triage: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON lines on standard input are recognised as such, and a limit ends the reading."""
    lines = "".join(json.dumps({"source": "crm", "source_id": str(uuid4()), "title": "t"}) + "\n" for _ in range(3))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(lines.encode()))))
    answer = triage("submit", "--file", "-", "--limit", 2, "--json")
    assert (answer.code, answer.json["new"]) == (0, 2)


def test_waiting_without_a_worker_ends_with_code_4(triage: Triage, run_id: UUID) -> None:
    """A wait that takes too long names what is unfinished, and says that no worker is there."""
    answer = triage("wait", run_id, "--timeout", "0.1")
    assert answer.code == 4
    assert f"after 0.1 s 1 run(s) still go on: {run_id}" in answer.err
    assert "no worker is running" in answer.err
    words = ("submit", "--source", "crm", "--source-id", uuid4(), "--title", "t", "--wait", "--timeout", 0, "--json")
    answer = triage(*words)
    assert (answer.code, answer.json["created"], answer.json["unfinished"]) == (4, True, 1)


def test_waiting_for_a_run_that_ended_badly_ends_with_code_1(
    triage: Triage, services: bootstrap.Services, run_id: UUID
) -> None:
    """A run that gave up has come to an end, but not a good one."""
    change(services, run_id, "status = 'dead', reason = 'gave up'")
    answer = triage("wait", run_id)
    assert (answer.code, answer.out.splitlines()[-1]) == (1, "1 dead")


def test_show_tells_the_story_and_why_it_waits(triage: Triage, run_id: UUID) -> None:
    """The story shows what others wrote as they wrote it, and says when the run goes on."""
    out = triage("show", run_id).out
    assert "It broke [red]not markup[/]" in out
    assert "Goes on by itself" in out
    assert triage("show", run_id, "--json").json["run"]["status"] == "active"


def test_commands_to_the_terminal_are_shown_and_not_obeyed(triage: Triage) -> None:
    """Control characters in a report reach no terminal."""
    words = ("submit", "--source", "crm", "--source-id", uuid4(), "--title", "\x1b[2Jwiped\u202e", "--json")
    out = triage("show", triage(*words).json["run_id"]).out
    assert "\\x1b[2Jwiped\\u202e" in out
    assert "\x1b[2J" not in out


def test_unknown_runs_are_refused(triage: Triage) -> None:
    """What is no id, and the id of no run, end with code 1."""
    assert triage("show", "nope").err.startswith("error: 'nope' is no run id")
    unknown = uuid4()
    assert triage("show", unknown).err == f"error: there is no run {unknown}\n"
    assert {triage(word, unknown).code for word in ("show", "wait", "retry", "cancel", "redrive")} == {1}


def test_list_filters(triage: Triage, services: bootstrap.Services, run_id: UUID) -> None:
    """The list has the runs that pass every filter, in a table or as JSON."""
    change(services, run_id, "status = 'held', waits_on = 'person', reason = 'look at it'")
    source_id = triage("show", run_id, "--json").json["run"]["source_id"]
    filters = ("--status", "held", "--source", "crm", "--source-id", source_id)
    assert [line["id"] for line in triage("list", *filters, "--json").json] == [str(run_id)]
    assert str(run_id) in triage("list", *filters).out
    assert triage("list", "--status", "done", "--source-id", source_id, "--json").json == []


def test_cancel_is_for_good(triage: Triage, run_id: UUID) -> None:
    """A cancelled run tells who cancelled it and why; it cannot be retried, and cancelling again changes nothing."""
    assert triage("cancel", run_id, "--reason", "filed by hand").out == f"run {run_id} is cancelled\n"
    assert "filed by hand" in triage("show", run_id).out
    answer = triage("retry", run_id)
    assert (answer.code, "is cancelled, only an active one" in answer.err) == (1, True)
    assert triage("cancel", run_id).code == 0


def test_retry_makes_a_waiting_run_due(triage: Triage, services: bootstrap.Services, run_id: UUID) -> None:
    """A run that would wait for an hour is due now."""
    change(services, run_id, "due = now() + interval '1 hour', ring_at = now() + interval '1 hour'")
    assert triage("retry", run_id).out == f"run {run_id} is due now\n"
    assert "Next: now" in triage("show", run_id).out


def test_redrive_brings_back_what_gave_up(triage: Triage, services: bootstrap.Services, run_id: UUID) -> None:
    """A dead run goes on, one that goes on is refused, and one refusal does not keep the others from it."""
    other = UUID(triage("fork", run_id, "--from", "triage", "--json").json["run_id"])
    change(services, run_id, "status = 'dead', reason = 'gave up'")
    answer = triage("redrive", other, run_id, "--json")
    assert answer.code == 1
    assert [(one["run_id"], one["ok"]) for one in answer.json] == [(str(other), False), (str(run_id), True)]


def test_redriving_all_asks_before(triage: Triage, services: bootstrap.Services, run_id: UUID) -> None:
    """Where nobody can be asked, all dead runs are only redriven when told so."""
    change(services, run_id, "status = 'dead', reason = 'gave up'")
    assert "say --yes" in triage("redrive", "--all-dead").err
    assert triage("redrive", "--all-dead", "--yes").code == 0
    assert triage("show", run_id, "--json").json["run"]["status"] == "active"


@pytest.mark.parametrize(
    ("words", "state"),
    [(("--happened", "BUG-17", "--link", "https://b/17"), "confirmed"), (("--did-not-happen",), "planned")],
)
def test_resolve_settles_an_unknown_call(
    triage: Triage, services: bootstrap.Services, run_id: UUID, words: tuple[str, ...], state: str
) -> None:
    """A held call is not redriven blindly; once a person says what happened the run goes on."""
    leave_unknown(services, run_id)
    assert "triage resolve" in triage("redrive", run_id).err
    assert "Find out what happened, then: triage resolve" in triage("show", run_id).out.replace("\n", " ")
    assert triage("resolve", run_id, *words).code == 0
    story = triage("show", run_id, "--json").json
    assert (story["run"]["status"], story["effects"][0]["state"]) == ("active", state)
    assert triage("resolve", run_id, *words).code == 1


def test_fork_begins_at_a_stage_that_was_reached(triage: Triage, run_id: UUID) -> None:
    """A fork is a new run; from a stage that the run has not come to it is refused."""
    assert triage("fork", run_id, "--from", Stage.TRIAGE).out.startswith("forked as run ")
    assert "has not come to notify yet" in triage("fork", run_id, "--from", Stage.NOTIFY).err


def test_doctor_finds_everything_well_but_the_missing_worker(triage: Triage) -> None:
    """A fresh installation has no worker, which is worth a warning and no failure."""
    answer = triage("doctor", "--json")
    states = {check["part"]: check["state"] for check in answer.json}
    assert (answer.code, states.pop("workers"), set(states.values())) == (0, "warn", {"ok"})
    assert "start one: `make worker`" in triage("doctor").out


def test_doctor_says_what_to_mend(triage: Triage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Servers that do not answer, a missing rules file and a wrong setting fail, each with a remedy."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", NOWHERE)
    monkeypatch.setenv("TRIAGE_BROKER_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("TRIAGE_RULES", str(tmp_path / "none.toml"))
    answer = triage("doctor", "--json")
    failed = {check["part"]: check["mend"] for check in answer.json if check["state"] == "fail"}
    assert (answer.code, set(failed)) == (1, {"postgres", "broker", "rules"})
    assert all(failed.values())
    monkeypatch.setenv("TRIAGE_SLOTS", "none")
    [check] = triage("doctor", "--json").json
    assert (check["part"], check["state"], "TRIAGE_SLOTS" in check["found"]) == ("settings", "fail", True)


def test_a_schema_that_is_missing_is_told_and_made(
    triage: Triage, services: bootstrap.Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server of one's own an empty database is told by every command, and `migrate` mends it."""
    with services.database.engine.connect() as connection:
        connection.exec_driver_sql("create database bare")
    monkeypatch.setenv("TRIAGE_DATABASE_URL", services.database_url.rpartition("/")[0] + "/bare")
    answer = triage("list")
    assert (answer.code, "run `triage migrate`" in answer.err) == (2, True)
    assert {check["part"]: check["state"] for check in triage("doctor", "--json").json}["schema"] == "fail"
    assert triage("migrate", "--json").json == {"version": "0008"}
    assert triage("migrate").code == 0
    assert triage("list", "--json").json == []


def test_postgres_away_is_code_3(triage: Triage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A store that does not answer is an error that the caller may retry, and the message says so for a file too."""
    monkeypatch.setenv("TRIAGE_DATABASE_URL", NOWHERE)
    path = tmp_path / "bugs.csv"
    path.write_text("source,source_id,title\ncrm,1,t\n")
    answer = triage("submit", "--file", path, "--json")
    told = json.loads(answer.err)
    assert (answer.code, told["retryable"], "0 reports were accepted before" in told["error"]) == (3, True, True)


def test_wrong_settings_are_code_2(triage: Triage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong setting is told by its name before anything is done."""
    monkeypatch.setenv("TRIAGE_SLOTZ", "1")
    answer = triage("list")
    assert (answer.code, "TRIAGE_SLOTZ is not a setting" in answer.err) == (2, True)


def test_the_embedded_servers_are_started_and_stopped(
    triage: Triage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`local start` leaves servers running that `local status` finds and `local stop` ends."""
    monkeypatch.setenv("TRIAGE_HOME", str(tmp_path / "other"))
    assert triage("local", "status").out.startswith("not running")
    started = triage("local", "start", "--json").json
    assert (started["running"], [server["name"] for server in started["servers"]]) == (True, ["postgres", "valkey"])
    assert triage("local", "stop", "--json").json["running"] is False


def test_help_and_version_are_quick_and_completion_works() -> None:
    """The program as installed answers with its help, its version, and the words that may come next."""

    def run(*words: str, **environment: str) -> str:
        command = [sys.executable, "-m", "triage.cli", *words]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
        return done.stdout

    assert "Exit codes:" in run("submit", "--help")
    assert run("--version").startswith("triage ")
    typed = {"_TRIAGE_COMPLETE": "complete_bash", "COMP_WORDS": "triage list --status ", "COMP_CWORD": "3"}
    assert run(**typed).split() == ["active", "held", "dead", "cancelled", "done"]


def test_the_client_needs_only_the_database_and_names_what_is_wrong(services: bootstrap.Services) -> None:
    """A service with nothing but the address submits in batches, waits, and gets errors that name position and run."""
    fields = [{"source": "crm", "source_id": str(uuid4()), "title": "t"} for _ in range(5)]
    with Client(services.database_url.replace("+psycopg", "")) as client:
        done = client.submit_many((dict(one) for one in fields), batch=2)
        assert [client.get(one.run_id).source_id for one in done] == [one["source_id"] for one in fields]
        assert [one.created for one in client.submit_many(fields, batch=3)] == [False] * 5
        with pytest.raises(InvalidReport, match=r"reports\[1\]\.title"):
            client.submit_many([fields[0], {**fields[1], "title": ""}])
        with pytest.raises(NotFinished) as late:
            client.wait([one.run_id for one in done], timedelta(milliseconds=50))
        assert set(late.value.unfinished) == {one.run_id for one in done}
        with pytest.raises(RunNotFound):
            client.wait([uuid4()], timedelta())


def test_tools_are_listed_switched_and_explained(triage: Triage) -> None:
    """A tool can be put out of service and back by name, and the list and the events say who did it and why."""
    assert {one["tool"] for one in triage("tools", "list", "--json").json["tools"]} >= {"local-tracker", "local-inbox"}
    assert triage("tools", "disable", "local-inbox", "--why", "wrong people").code == 0
    assert "wrong people" in triage("tools", "list").out
    warned = [one for one in triage("doctor", "--json").json if one["part"] == "tool local-inbox"]
    assert [(one["state"], one["mend"]) for one in warned] == [("warn", "`triage tools enable local-inbox`")]
    assert triage("tools", "enable", "local-inbox", "--json").json["enabled"] is True
    assert [one["what"] for one in triage("tools", "events", "--limit", 2, "--json").json] == ["enabled", "disabled"]
    assert triage("tools", "sweep").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("tools", "disable"),
        ("tools", "disable", "nothing-of-ours"),
        ("tools", "disable", "local-inbox", "--all"),
        ("tools", "kinds", "nonsense"),
        ("approvals", "approve", "1", "--json"),
        ("approvals", "approve", "1", "--digest", "zz"),
        ("guard", "test", "there-is-no-such-file"),
    ],
)
def test_wrong_use_of_the_door_is_told(triage: Triage, words: tuple[str, ...]) -> None:
    """What does not go together, or does not exist, ends with code 2 and words."""
    answer = triage(*words)
    assert (answer.code, answer.out, "error" in answer.err) == (2, "", True), answer


def test_every_kind_of_tool_tells_its_settings(triage: Triage) -> None:
    """Each kind that can be set is listed with its roles, and describes every setting in words."""
    kinds = triage("tools", "kinds", "--json").json
    assert {"github", "slack", "caldav", "local"} <= {one["kind"] for one in kinds}
    for one in kinds:
        assert f'kind = "{one["kind"]}"' in triage("tools", "kinds", one["kind"]).out
        assert triage("tools", "kinds", one["kind"], "--json").json["properties"]


def test_nothing_to_decide_is_said(triage: Triage) -> None:
    """Without approvals the list says so, and one that does not exist is refused."""
    assert triage("approvals", "list", "--json").json == []
    answer = triage("approvals", "show", 4711)
    assert (answer.code, "no approval 4711" in answer.err) == (1, True)


def test_holds_say_what_to_look_for(triage: Triage, services: bootstrap.Services, run_id: UUID) -> None:
    """A held call is listed with its tool, its key and its fence, and is gone once somebody has resolved it."""
    leave_unknown(services, run_id)
    (held,) = [one for one in triage("holds", "list", "--json").json if one["run_id"] == str(run_id)]
    assert (held["tool"], len(held["key"])) == ("tracker", 64)
    assert held["key"][:16] in triage("holds", "list").out
    assert triage("holds", "resolve", run_id, "--happened", "T-1", "--fence", held["fence"]).code == 0
    assert all(one["run_id"] != str(run_id) for one in triage("holds", "list", "--json").json)
