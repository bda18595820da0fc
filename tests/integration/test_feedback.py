"""What people change on our tickets in the tracker becomes a correction, once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.support import waiting
from tests.support.databases import query
from tests.support.site import Site, report
from triage import feedback
from triage.feedback import Feedback
from triage.model.tickets import Page, Standing
from triage.store.corrections import Corrections
from triage.store.postgres import PostgresStore
from triage.testing.tools import RecordingTool
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.testing.twins.issues import TOKEN
from triage.tools.egress import Egress
from triage.tools.trackers import github
from triage.tools.transport import Transport

CRASH = {"title": "The app crashes with a segfault", "body": "Every time."}
"""The shipped rules say: a crash."""


@pytest.fixture
def twin() -> Iterator[GitHubTwin]:
    """GitHub."""
    with GitHubTwin() as twin:
        yield twin


@pytest.fixture
def transport() -> Iterator[Transport]:
    """The real one."""
    transport = Transport(egress=Egress(("127.0.0.1",)))
    yield transport
    transport.close()


@pytest.fixture
def run_id(site: Site, twin: GitHubTwin) -> UUID:
    """A run whose ticket a worker has filed; the worker is gone."""
    told = {"KIND": "github", "URL": twin.url, "TOKEN": TOKEN, "TARGET": REPOSITORY}
    site.settings |= {f"TRIAGE_TRACKER__{name}": value for name, value in told.items()}
    worker = site.ready_worker()
    (submitted,) = PostgresStore(site.database).submit_many([report(**CRASH)], None)
    site.wait([submitted.run_id])
    worker.kill()
    return submitted.run_id


def looking(site: Site, twin: GitHubTwin, transport: Transport) -> Feedback:
    """As a worker that just began to lead looks."""
    settings = github.Settings.model_validate({"url": twin.url, "token": TOKEN, "target": REPOSITORY})
    return Feedback(settings.open("github-tracker", transport), {REPOSITORY}, site.database)


def ticket(twin: GitHubTwin) -> str:
    """The number of the ticket."""
    return str(twin.issues[-1].number)


def told(site: Site) -> list[tuple[str, str, str]]:
    """All corrections, oldest first."""
    return [tuple(row) for row in query(site.database, "select field, value, origin from correction order by id")]


def test_a_relabelled_ticket_is_a_correction_once(
    site: Site, twin: GitHubTwin, transport: Transport, run_id: UUID
) -> None:
    """A label that a person changed is kept once, whoever looks how often, and two kinds at once say nothing."""
    looks = looking(site, twin, transport)
    assert {"crash", "severity-high"} <= set(twin.issues[-1].labels) and looks.look() == 0
    twin.relabel(ticket(twin), "crash", "bug", "severity-high", "triage-bot")
    assert looks.look() == 0
    twin.relabel(ticket(twin), "Feature", "severity-low", "triage-bot")
    assert looks.look() == 2
    assert (looks.look(), looking(site, twin, transport).look()) == (0, 0)
    assert Corrections(site.database).standing(run_id) == {"kind": "feature", "severity": "low"}
    assert told(site) == [("kind", "feature", "tracker"), ("severity", "low", "tracker")]


def test_a_correction_here_stands_until_the_ticket_changes_again(
    site: Site, twin: GitHubTwin, transport: Transport, run_id: UUID
) -> None:
    """What the tracker said before does not overrule a person who came later; taking the label back is a new word."""
    looks, corrections = looking(site, twin, transport), Corrections(site.database)
    twin.relabel(ticket(twin), "feature")
    looks.look()
    corrections.add(run_id, "kind", "question", by="ada", origin="person")
    assert looks.look() == 0 and corrections.standing(run_id) == {"kind": "question"}
    twin.relabel(ticket(twin), "crash")
    assert looks.look() == 1 and corrections.standing(run_id) == {"kind": "crash"}


def test_the_leading_worker_looks(site: Site, twin: GitHubTwin, run_id: UUID) -> None:
    """A worker that starts finds what was changed while none ran; somebody else's copy of the ticket says nothing."""
    twin.relabel(ticket(twin), "documentation")
    twin.close(ticket(twin))
    twin.add("A copy", twin.issues[-1].text, ["security"], author="mallory")
    twin.filters = False
    site.ready_worker()
    waiting.until(lambda: told(site), 30, site.tails)
    assert told(site) == [("kind", "documentation", "tracker")]
    assert Corrections(site.database).standing(run_id) == {"kind": "documentation"}


class Paged(RecordingTool):
    """A tracker with more changed tickets than one look reads."""

    def __init__(self, pages: int) -> None:
        super().__init__()
        self.pages = pages
        self.fails_at = 0
        self.calls: list[tuple[datetime, str]] = []

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:  # noqa: ARG002
        """Tickets that nobody knows, a hundred a page."""
        self.calls.append((since, after))
        number = int(after or 1)
        if number == self.fails_at:
            raise feedback.errors.NotSent("away")
        items = tuple(Standing(f"{number * 100 + at:064x}", ("bug",)) for at in range(100))
        return Page(items, str(number + 1) if number < self.pages else "")

    def asked_for(self) -> list[str]:
        """The pages that were asked for since the last time."""
        pages, self.calls = [after for _, after in self.calls], []
        return pages


def test_a_long_list_is_read_over_several_looks(site: Site) -> None:
    """A look reads 500 tickets, the next one goes on there, and what follows begins before the first one began."""
    tool = Paged(7)
    looks, began = Feedback(tool, {"here"}, site.database), datetime.now(UTC)
    looks.look()
    first = tool.calls[0][0]
    assert began - first >= feedback.LOOK_BACK and tool.asked_for() == ["", "2", "3", "4", "5"]
    looks.look()
    assert {since for since, _ in tool.calls} == {first} and tool.asked_for() == ["6", "7"]
    looks.look()
    assert tool.calls[0][0] - (began - feedback.OVERLAP) < timedelta(seconds=5) and tool.asked_for()[0] == ""


def test_a_look_that_fails_goes_on_from_there(site: Site) -> None:
    """The next look goes on with the page that failed, and begins anew if even that one cannot be had."""
    tool = Paged(20)
    looks = Feedback(tool, {"here"}, site.database)
    tool.fails_at = 3
    assert looks.look() == 0 and tool.asked_for() == ["", "2", "3"]
    looks.look()
    assert tool.asked_for() == ["3"]
    tool.fails_at = 0
    looks.look()
    assert tool.asked_for() == ["", "2", "3", "4", "5"]
