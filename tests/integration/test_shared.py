"""What all workers share about the tools, on a real Postgres: buckets, breakers, switches, values, the sweep."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from tests.support.databases import query
from triage import rounds
from triage.errors import NotAllowed, NotSent
from triage.model import LiveValues, Marked, Rate, Sent, ToolClass, ToolSpec
from triage.store.database import Database
from triage.store.shared import SharedTools
from triage.store.tool_box import ALL, ToolBox
from triage.testing.tools import RecordingTool

LONG = timedelta(hours=1)
NOTHING = timedelta()
KEY = "ab" * 32


@pytest.fixture
def shared(database: Database) -> SharedTools:
    """One worker's view."""
    return SharedTools(database)


class Tracker(RecordingTool):
    """A tracker with three objects, two of which carry the same key."""

    def __init__(self, name: str, *, is_away: bool = False) -> None:
        """`is_away`: it cannot be asked."""
        super().__init__(spec=ToolSpec(name, ToolClass.FINDABLE, timedelta(seconds=1), timedelta(seconds=1)))
        self._is_away = is_away

    def values(self, deadline: float) -> LiveValues:
        """Two projects; it has no users."""
        if self._is_away:
            raise NotSent(f"away until {deadline}")
        return LiveValues(targets=frozenset({"shop", "web"}), labels=frozenset())

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """The objects."""
        if self._is_away:
            raise NotSent(f"away since {since} until {deadline}")
        return [Marked(KEY, "7"), Marked(KEY, "9"), Marked("cd" * 32, "8"), Marked(KEY, "7")]


def test_a_bucket_gives_no_more_than_it_holds_however_many_ask(database: Database) -> None:
    """Of fifty calls at once by five workers ten are let through, and the others are told how long to wait."""
    workers = [SharedTools(database) for _ in range(5)]
    with ThreadPoolExecutor(25) as threads:
        waits = list(threads.map(lambda number: workers[number % 5].take("chat", Rate(10, LONG)), range(50)))
    assert sum(wait == NOTHING for wait in waits) == 10
    assert all(timedelta(minutes=5) < wait <= timedelta(minutes=6) for wait in waits if wait)


def test_a_bucket_fills_up_again_but_not_beyond_its_rim(database: Database, shared: SharedTools) -> None:
    """After a tenth of the time one of ten calls is back, and after a day no more than ten are."""
    rate = Rate(10, LONG)
    while shared.take("chat", rate) == NOTHING:
        pass
    query(database, "update bucket set at = at - interval '6 min'")
    assert [shared.take("chat", rate) == NOTHING for _ in range(2)] == [True, False]
    query(database, "update bucket set at = at - interval '1 day'")
    assert sum(shared.take("chat", rate) == NOTHING for _ in range(20)) == 10


def test_a_blocked_bucket_gives_nothing(shared: SharedTools) -> None:
    """What the other system asked for holds for everybody, and a shorter wish does not cut it short."""
    shared.block("chat", LONG)
    shared.block("chat", timedelta(seconds=1))
    assert timedelta(minutes=59) < shared.take("chat", Rate(10, timedelta(seconds=1))) <= LONG


def test_a_breaker_is_the_same_for_all_workers(database: Database, shared: SharedTools) -> None:
    """Failures of all workers add up, it opens for longer each time, one probe is let in, and success closes it."""
    other = SharedTools(database)
    for worker in (shared, other, shared):
        worker.failed("tracker", error="reset", threshold=3, cool_down=timedelta(seconds=8))
    assert timedelta(seconds=7) < SharedTools(database).tool("tracker").open_for <= timedelta(seconds=8)
    assert not shared.probe("tracker", LONG)
    query(database, "update tool_state set open_until = now()")
    assert [one.probe("tracker", LONG) for one in (shared, other)] == [True, False]
    shared.failed("tracker", error="reset", threshold=3, cool_down=timedelta(seconds=8))
    assert timedelta(seconds=15) < SharedTools(database).tool("tracker").open_for <= timedelta(seconds=16)
    other.succeeded("tracker")
    assert SharedTools(database).tool("tracker").failures == 0
    assert [event.what for event in ToolBox(database, "ada").events()] == ["closed", "opened", "opened"]


def test_a_person_closes_a_breaker_and_is_remembered(database: Database, shared: SharedTools) -> None:
    """Closing it by hand lets everybody in, says who did it, and is refused where nothing is open."""
    shared.failed("tracker", error="reset", threshold=1, cool_down=LONG)
    box = ToolBox(database, "ada")
    box.close_breaker("tracker")
    assert shared.tool("other").open_for == NOTHING and SharedTools(database).tool("tracker").open_for == NOTHING
    assert box.events()[0].detail == {"by": "ada"}
    with pytest.raises(NotAllowed, match="closed"):
        box.close_breaker("tracker")


def test_switches_are_seen_with_their_reason(database: Database) -> None:
    """A tool and all of them can be put out of service and back, and each is told with who and why."""
    box = ToolBox(database, "ada")
    box.disable("chat", "wrong channel")
    box.disable(ALL, "")
    fresh = SharedTools(database)
    assert (fresh.tool("chat").switched_off, fresh.tool(ALL).switched_off) == ("by ada: wrong channel", "by ada")
    assert fresh.tool("tracker").switched_off == ""
    box.enable("chat")
    assert SharedTools(database).tool("chat").switched_off == ""


def test_what_the_systems_know_is_kept_and_one_that_is_away_spoils_nothing(shared: SharedTools) -> None:
    """Values are kept as they were told: none of a kind is not the same as not being asked."""
    tools = {"away": Tracker("away", is_away=True), "tracker": Tracker("tracker")}
    assert rounds.learn(tools, shared) == 1
    assert shared.values("tracker") == LiveValues(targets=frozenset({"shop", "web"}), labels=frozenset())
    assert shared.values("away") == LiveValues()


def test_the_sweep_tells_two_objects_with_one_key_once(database: Database, shared: SharedTools) -> None:
    """A duplicate is news the first time only; the same object seen twice is none."""
    tools = {"away": Tracker("away", is_away=True), "tracker": Tracker("tracker")}
    assert [rounds.sweep(tools, shared) for _ in range(2)] == [1, 0]
    (found,) = ToolBox(database, "ada").duplicates()
    assert (found.tool, found.key, found.remote_ids) == ("tracker", KEY, ["7", "9"])


def test_a_tool_without_marks_has_no_duplicates(shared: SharedTools) -> None:
    """What cannot list anything is swept without a finding."""
    assert rounds.sweep({"plain": RecordingTool(Sent("1"))}, shared) == 0
