"""The chaos harness at work: a short run of what `python -m tests.chaos` does for minutes."""

import itertools
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from tests.chaos import campaign, judge, network, report, schedule
from tests.chaos.campaign import Plan
from tests.chaos.schedule import Event, Kind, Way

SEED, SECONDS, RATE = 419, 25.0, 10.0
"""This seed's first faults hit the workers, the database and the broker, and the other systems twice."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_or_made_twice_whatever_breaks(tmp_path: Path) -> None:
    """Under a fixed schedule of faults every run ends with one ticket and one notice."""
    events = schedule.make(SEED, SECONDS)
    result = campaign.run(Plan(SEED, SECONDS, RATE, events), tmp_path)
    assert report.is_good(result), report.table(result)
    assert result["runs"] > RATE * SECONDS / 2
    assert result["commits"] == 2 * result["runs"]


def test_the_same_seed_gives_the_same_schedule() -> None:
    """The schedule depends on the seed and the length alone, and a longer one begins as a shorter one does."""
    assert schedule.make(1, 300) == schedule.make(1, 300)
    assert schedule.make(1, 300) != schedule.make(2, 300)
    short = schedule.make(1, 60)
    assert schedule.make(1, 300)[: len(short)] == short


@pytest.mark.parametrize("seed", range(20))
def test_a_schedule_has_enough_faults_of_every_kind(seed: int) -> None:
    """At least fifty in five minutes, at most five seconds apart, and none is missing."""
    events = schedule.make(seed, 300)
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(events)]
    assert len(events) >= 50
    assert max(gaps) <= 5.1
    assert {event.kind for event in events} == set(schedule.USUAL)
    assert {event.kind for event in schedule.make(seed, 300, schedule.NETWORK)} == set(schedule.NETWORK)
    assert {event.worker for event in events} == set(range(schedule.WORKERS))


def test_the_judge_counts_what_is_too_many() -> None:
    """A second object of a key is one too many, and so is an object of a key that no run has."""
    made = Counter({"a": 1, "b": 3, "stranger": 1})
    assert judge._too_many({"a": UUID(int=1), "b": UUID(int=2)}, made) == 3
    assert judge._without([UUID(int=3)], {"a": UUID(int=3)}, Counter()) == [UUID(int=3)]


def test_a_one_way_cut_loses_one_direction() -> None:
    """What a worker sends to a server vanishes, or what the server sends back, or both; all servers or one."""
    lost = {
        (kind, way): list(network._rules(Event(0, kind, 1, 5, 0, way)))
        for kind in (Kind.CUT_BROKER, Kind.CUT_ALL)
        for way in Way
    }
    broker = network.SERVERS[Kind.CUT_BROKER]
    assert lost[Kind.CUT_BROKER, Way.OUT] == [["from", "10.213.2.2", "to", broker, "blackhole"]]
    assert lost[Kind.CUT_BROKER, Way.BACK] == [["from", broker, "to", "10.213.2.2", "blackhole"]]
    assert len(lost[Kind.CUT_ALL, Way.BOTH]) == 6


def test_times_of_few_recoveries() -> None:
    """No recovery, and a single one, have figures too."""
    assert report.times([], "x") == {"x_p50_s": 0, "x_p95_s": 0, "x_max_s": 0}
    assert report.times([2.5], "x") == {"x_p50_s": 2.5, "x_p95_s": 2.5, "x_max_s": 2.5}
