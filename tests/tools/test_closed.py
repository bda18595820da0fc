"""Reading closed tickets to learn from them, through the real transport, from every tracker that can list them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.tools.scene import fresh_key, renewed, says
from tests.tools.subjects import github, gitlab, jira_cloud, jira_dc, redmine
from tests.unit.labelled import reports
from triage.cli import frame, learn
from triage.cli.closed import Origin, Reading
from triage.config import Settings
from triage.errors import InvalidSetting, NotSent, Refused
from triage.ingest.labelled import ClosedReport
from triage.ingest.trackers import Closed, Given, opened
from triage.model import Request
from triage.testing.faults import Fault, FaultKind
from triage.testing.proxy import Answer
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.testing.twins.issues import TOKEN, IssueTwin
from triage.tools import marker
from triage.tools.trackers.pages import LONGEST_TEXT, PAGE

LISTED = {"github": github.Subject, "gitlab": gitlab.Subject}
JIRAS = {"jira-cloud": jira_cloud.Subject, "jira-dc": jira_dc.Subject}
MOST = 5_000
MANY = 2 * PAGE + 30
"""Three pages."""
SOMEBODY = "2"
KEPT = ("--keep", "bug", "--keep", "feature", "--keep", "question")
NO_REPOSITORY = "octo/nowhere"


@pytest.fixture(params=[*LISTED, *JIRAS])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Each tracker that has a twin."""
    with (LISTED | JIRAS)[request.param](tmp_path) as subject:
        subject.twin.index_lag = 0.0
        yield subject


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[github.Subject]:
    """GitHub, where what is tried is the same for all."""
    with github.Subject(tmp_path) as subject:
        yield subject


def close(subject: Any, title: str, label: str, text: str = "It does.", *, labels: tuple[str, ...] = ()) -> str:
    """Let somebody make a ticket that is a bug or something else, and close it; its id."""
    twin = subject.twin
    if isinstance(twin, IssueTwin):
        number = str(twin.add(title, text, [label, *labels], author=SOMEBODY).number)
    else:
        told = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"text": text}]}]}
        described = told if subject.kind == "jira-cloud" else text
        fields = {"summary": title, "description": described, "issuetype": {"name": label}}
        number = twin.add(subject.target, labels=labels, **fields)
    twin.close(number)
    return str(number)


def closed(subject: Any, most: int = MOST, **how: Any) -> Closed:
    """A reader of the subject's project; other arguments as `Closed` takes them."""
    return Closed(subject.tool, subject.target, most, **{"pauses": (0.01, 0.01), **how})


def read(subject: Any, most: int = MOST) -> list[ClosedReport]:
    """All closed reports."""
    return [report for report in closed(subject, most).read() if isinstance(report, ClosedReport)]


def asked(subject: Any) -> int:
    """How many requests came."""
    return len(subject.proxy.requests)


def test_all_closed_tickets_are_read_once_the_youngest_first(subject: Any) -> None:
    """Over three pages each closed ticket comes once with all that is known of it, and open ones do not come."""
    if subject.kind in JIRAS:  # the other twins have an open one
        subject.twin.add(subject.target)
    for number in range(MANY):
        close(subject, f"Ticket {number}", "Bug" if number % 2 else "Feature")
    found = read(subject)
    assert [report.title for report in found] == [f"Ticket {number}" for number in reversed(range(MANY))]
    first = found[0]
    assert (first.labels, first.body) == (("Bug",), "It does.")
    assert first.created and abs(first.created - datetime.now(UTC)) < timedelta(minutes=2)
    assert 3 <= asked(subject) <= 4


def test_no_more_are_read_than_were_asked_for(subject: Any) -> None:
    """The youngest are read, and the second page is not asked for."""
    for number in range(PAGE + 5):
        close(subject, f"Ticket {number}", "Bug")
    assert [report.title for report in read(subject, 3)] == [f"Ticket {PAGE + 4 - at}" for at in range(3)]
    assert asked(subject) == 1


def test_our_own_tickets_are_left_out(subject: Any) -> None:
    """What we filed is counted and not learned, although a person has labelled it anew, and so is a copy of it."""
    close(subject, "A person's", "Bug")
    sent = subject.tool.send(renewed(Request(fresh_key(), subject.target, subject.content, 0.0)))
    subject.twin.close(sent.remote_id)
    marked = {"text": f"as before {marker.comment(fresh_key())} and more", "labels": (marker.label(fresh_key()),)}
    close(subject, "A copy", "Feature", **marked)
    reader = closed(subject)
    assert [report.title for report in reader.read() if isinstance(report, ClosedReport)] == ["A person's"]
    assert reader.ours == 2


def test_pull_requests_are_left_out(hub: github.Subject) -> None:
    """GitHub lists pull requests as issues, and whole pages may hold nothing else."""
    close(hub, "The oldest", "bug")
    for _ in range(PAGE + 1):
        hub.twin.add("A pull request", "its body", ["bug"], pull=True).state = "closed"
    assert [report.title for report in read(hub)] == ["The oldest"]


def test_a_ticket_that_moves_to_a_later_page_counts_once(hub: github.Subject) -> None:
    """When somebody closes a ticket while the list is read, those behind it move on and are not counted twice."""
    late = hub.twin.add("Late", "text", ["bug"], author=SOMEBODY)
    for number in range(PAGE + 1):
        close(hub, f"Ticket {number}", "bug")
    rows = closed(hub).read()
    titles = [next(rows)]
    hub.twin.close(str(hub.twin.add("Youngest", "text", ["bug"], author=SOMEBODY).number))
    hub.twin.close(str(late.number))
    titles += list(rows)
    assert len(titles) == PAGE + 2  # also `late`, which is on a page that was still to be read


@pytest.mark.parametrize(
    "limit",
    [Fault(FaultKind.TOO_MANY, 1.0), says(403, {"retry-after": "1"}, words="secondary rate limit")],
    ids=["429", "403"],
)
def test_a_limit_is_waited_for(hub: github.Subject, limit: Fault | Answer) -> None:
    """After the wait that was asked for the page is asked for again, however often, and nothing is missing."""
    close(hub, "One", "bug")
    hub.proxy.script(limit, limit, reads=True)
    assert [report.title for report in read(hub)] == ["One"]
    assert asked(hub) == 4


def test_a_wait_that_is_too_long_is_told(hub: github.Subject) -> None:
    """Where more time is asked for than there is, it ends at once and says what to do."""
    hub.proxy.script(says(429, {"retry-after": "600"}), reads=True)
    reader = closed(hub, longest=timedelta(seconds=30))
    with pytest.raises(NotSent, match=r"cannot be read in 0.5 minutes; ask for fewer with --most: .*429"):
        list(reader.read())
    assert asked(hub) == 1


def test_a_long_wait_is_told_as_it_begins(hub: github.Subject) -> None:
    """Who waits for some seconds learns why."""
    told: list[str] = []
    hub.proxy.script(says(429, {"retry-after": "2"}), reads=True)
    assert list(closed(hub, waits=told.append).read()) == []
    assert len(told) == 1 and told[0].startswith("waiting 2 s: ")


def test_what_breaks_once_is_asked_again(subject: Any) -> None:
    """A reset, an error and a page that is no list cost another request, not the reading."""
    close(subject, "One", "Bug")
    subject.proxy.script(FaultKind.RESET_BEFORE, Answer(200, b"<html>It works!</html>"), reads=True)
    assert [report.title for report in read(subject)] == ["One"]


@pytest.mark.parametrize("garbage", [b'{"message": "no"}', b"[1, 2]", b'{"issues": 7}', b"[" * 100_000, b"\xff\xfe"])
def test_garbage_ends_it_after_some_tries(subject: Any, garbage: bytes) -> None:
    """An answer that never is a list ends the reading with words, not with a bug."""
    subject.proxy.script(*([Answer(200, garbage)] * 3), reads=True)
    with pytest.raises(NotSent, match="the look-up failed"):
        list(closed(subject).read())
    assert asked(subject) == 3


def test_fields_of_the_wrong_kind_are_bad_rows(hub: github.Subject) -> None:
    """Tickets without a title or number are told as bad rows, and other fields that are nonsense count as not there."""
    nonsense = b'[{}, {"number": true, "title": "x"}, {"number": 7, "title": "Good", "labels": 3, "created_at": []}]'
    hub.proxy.script(Answer(200, nonsense), reads=True)
    first, second, third = closed(hub).read()
    assert [getattr(row, "problem", "") for row in (first, second)] == ["has no title, or no number"] * 2
    assert third == ClosedReport((), "Good", "", None)


def test_a_page_that_is_too_large_is_not_read(hub: github.Subject) -> None:
    """More than 16 MB in one page end the reading."""
    close(hub, "Huge", "bug", "x" * 17_000_000)
    with pytest.raises(NotSent, match="the answer is longer than 16777216 bytes"):
        list(closed(hub).read())


def test_texts_are_bounded(subject: Any) -> None:
    """Of a text no more is kept than of a report, and what Postgres cannot keep is a blank."""
    close(subject, "T" * 600, "Bug", "a\x00b" + "x" * 200_000)
    (report,) = read(subject)
    assert (len(report.title), len(report.body)) == (500, LONGEST_TEXT)
    assert report.body.startswith("a b")


def test_a_definite_no_is_not_asked_again(hub: github.Subject) -> None:
    """A project that is not there, or that is not ours to read, ends it with the tracker's own words."""
    with pytest.raises(Refused, match="does not list its tickets: status 404"):
        list(Closed(hub.tool, NO_REPOSITORY, MOST).read())
    with pytest.raises(Refused, match="status 401"):
        list(Closed(hub.imposter(), hub.target, MOST).read())  # type: ignore[arg-type]
    assert asked(hub) == 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Settings without any file; a variable holds the token of the twins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_TOKEN", TOKEN)
    return Settings


def test_a_private_address_needs_leave(home: Callable[..., Settings]) -> None:
    """Our own network is not read from unless the settings allow it, and the refusal says which one."""
    given = Given(project=REPOSITORY, token_env="SOME_TOKEN")  # noqa: S106 - the name of a variable
    with GitHubTwin() as twin:
        twin.close(str(twin.add("One", "text", ["bug"]).number))
        tracker = {"kind": "github", "url": twin.url, "token": TOKEN}
        refused = pytest.raises(Refused, match=r"a loopback address: nothing was sent.*egress_allow")
        with opened("github", home(tracker=tracker), given) as (tool, target), refused:
            list(Closed(tool, target, MOST).read())
        with opened("github", home(tracker=tracker, egress_allow=["127.0.0.1"]), given) as (tool, target):
            assert len(list(Closed(tool, target, MOST).read())) == 1


def target_of(kind: str, settings: Settings, given: Given) -> str:
    """Which project would be read."""
    with opened(kind, settings, given) as (_, target):
        return target


def test_the_set_tracker_is_read_unless_told_otherwise(home: Callable[..., Settings]) -> None:
    """Project and token come from the settings, and the set token goes to no other address."""
    settings = home(tracker={"kind": "github", "token": TOKEN}, project="acme/shop")
    assert target_of("github", settings, Given()) == "acme/shop"
    assert target_of("github", settings, Given(project=REPOSITORY)) == REPOSITORY
    with pytest.raises(InvalidSetting, match=r"no token for github: .* --token-env"):
        target_of("github", settings, Given(url="https://elsewhere.example/api/v3"))
    with pytest.raises(InvalidSetting, match="no token for gitlab"):
        target_of("gitlab", settings, Given(project="a/b"))


def test_what_is_missing_is_named(home: Callable[..., Settings]) -> None:
    """Without a project, an address or the variable the message says what to give, and it never shows the token."""
    settings, variable = home(), "SOME_TOKEN"
    with pytest.raises(InvalidSetting, match="which project of github"):
        target_of("github", settings, Given(token_env=variable))
    with pytest.raises(InvalidSetting, match="redmine: url: Field required"):
        target_of("redmine", settings, Given(project="p", token_env=variable))
    with pytest.raises(InvalidSetting, match=r"the environment variable NO_SUCH .* is not set"):
        target_of("github", settings, Given(project="a/b", token_env="NO_SUCH"))  # noqa: S106 - a variable's name
    with pytest.raises(InvalidSetting, match="jira: url") as error:
        target_of("jira", settings, Given(project="OPS", token_env=variable, user="a@example.test"))
    assert TOKEN not in str(error.value)
    for kind in ("redmine", "jira"):
        assert target_of(kind, settings, Given("P", "https://t.example", token_env=variable)) == "P"


def learned(*arguments: str) -> dict[str, Any]:
    """What `triage learn` prints."""
    app = typer.Typer()
    app.command()(learn.learn)
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_model_is_learned_from_the_tracker(home: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads the tracker that is set, and learns the same again from what it wrote, without asking."""
    assert home().tracker.kind == "local"
    with GitHubTwin() as twin:
        for number, one in enumerate(reports(90)):
            twin.add(one.title, one.body, [one.label, "ui"], author=SOMEBODY)
            twin.close(str(number + 3))
        told = {"KIND": "github", "URL": twin.url, "TOKEN": TOKEN, "TARGET": REPOSITORY}
        for name, value in told.items():
            monkeypatch.setenv(f"TRIAGE_TRACKER__{name}", value)
        monkeypatch.setenv("TRIAGE_EGRESS_ALLOW", '["127.0.0.1"]')
        first = learned("--from", "github", *KEPT, "--most", "80", "--out-reports", "closed.jsonl")
    assert (first["reports"], first["unlabelled"], first["bad"]) == (80, 0, 0)
    again = learned("closed.jsonl", "--body", "body", "--created", "created", *KEPT)
    assert {name: again[name] for name in ("reports", "cross_validation")} == {
        name: first[name] for name in ("reports", "cross_validation")
    }


def test_a_file_and_a_tracker_do_not_go_together() -> None:
    """Options that would be ignored are refused."""
    for wrong in (Reading(Origin.GITHUB, None), Reading(Origin.CSV, "x.csv")):
        assert wrong.path
    with pytest.raises(frame.Misused, match="either a FILE or --from github"):
        Reading(Origin.GITHUB, "x.csv")
    with pytest.raises(frame.Misused, match="need --from and the name of one"):
        Reading(Origin.AUTO, "x.csv", project="a/b")


def test_a_real_redmine(tmp_path: Path) -> None:
    """Closed issues come with their tracker's name, and what people changed on ours stands there to be seen."""
    with redmine.Subject(tmp_path) as subject:
        server, tool = subject.server, subject.opened(priorities=dict(zip(SEVERITIES, (5, 3, 2, 1), strict=True)))
        issue = {"project_id": subject.target, "subject": "Export", "description": "It fails.", "tracker_id": 2}
        theirs = server.ask("POST", "/issues.json", {"issue": issue})["issue"]["id"]
        server.close(theirs)
        request = renewed(Request(fresh_key(), subject.target, subject.content, 0.0))
        ours = int(tool.send(request).remote_id)
        since = datetime.now(UTC) - timedelta(hours=1)
        deadline = renewed(request).deadline
        (before,) = tool.changed(subject.target, since, "", deadline).items
        assert (before.key, before.kind, before.severity) == (request.key, "", "high")
        server.ask("PUT", f"/issues/{ours}.json", {"issue": {"tracker_id": 2, "priority_id": 1, "status_id": 5}})
        page = tool.changed(subject.target, since, "", renewed(request).deadline)
        assert [(one.kind, one.severity) for one in page.items] == [("Feature", "low")]
        assert tool.changed(subject.target, since, page.after, renewed(request).deadline).items == ()
        reader = Closed(tool, subject.target, MOST)
        (report,) = reader.read()
        assert isinstance(report, ClosedReport) and reader.ours == 1
        assert (report.labels, report.title, report.body) == (("Feature",), "Export", "It fails.")
        assert report.created and report.created.tzinfo


SEVERITIES = ("critical", "high", "medium", "low")
