"""The crash harness at work: a sample of what `python -m tests.crash` does in full."""

from collections.abc import Iterator

import pytest

from tests.crash import boundaries, campaign, cases, labels
from tests.crash.boundaries import Point
from tests.crash.campaign import Campaign, Task
from triage.store.database import statement

SAMPLED = ("keyed/normal", "findable/normal")
EVERY = 6
LANES = 10


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Run the servers, the lanes and the processes that workers are forked from."""
    with campaign.servers(tmp_path_factory.mktemp("crash"), LANES) as (running, _):
        yield running


@pytest.mark.slow
def test_a_worker_may_be_killed_anywhere(running: Campaign) -> None:
    """Killed at any of a sample of boundaries, a worker is replaced, and every object is made exactly once."""
    wanted = [cases.every()[name] for name in SAMPLED]
    found = running.record(wanted)
    tasks = [Task(case, (at,)) for case in wanted for at in found[case.name][::EVERY]]
    results = running.trials(tasks, "sample")
    assert min(len(names) for names in found.values()) > 30
    assert [(one.case, one.at, one.words) for one in results if not one.is_good] == []


@pytest.mark.slow
def test_the_harness_finds_duplicates(running: Campaign) -> None:
    """The usual task, killed between the other system's commit and its own, files twice, and that is counted."""
    case = cases.every()["naive/normal"]
    running.record([case])
    (result,) = running.trials([Task(case, ("sql.insert_into_naive.before#1",))], "naive")
    assert (result.reached, result.duplicates, result.lost) == (True, 1, 0)


def test_a_poll_counts_when_its_answer_changes() -> None:
    """Of what an idle worker repeats only the first and the changed answers are boundaries; all else counts always."""
    answers = [("sql.ring", 0), ("sql.ring", 0), ("sql.ring", 1), ("sql.claim", 1), ("sql.claim", 1)]
    seen: dict[str, int] = {}
    points = []
    for base, answer in answers:
        seen[base] = seen.get(base, 0) + 1
        points += [Point(0, "t", f"{base}.{end}", seen[base], answer) for end in ("before", "after")]
    kept = boundaries.of(points, frozenset({"sql.ring"}))
    assert [name for name in kept if name.endswith(("after#1", "after#2", "after#3"))] == [
        "sql.ring.after#1",
        "sql.ring.after#3",
        "sql.claim.after#1",
        "sql.claim.after#2",
    ]


def test_statements_go_by_their_files_names() -> None:
    """A statement of the store is named after its file, other SQL after what it does, a command after its key."""
    assert labels.of_sql(statement("claim_effect")) == "sql.claim_effect"
    assert labels.of_sql("insert into naive values (1)") == "sql.insert_into_naive"
    packed = [b"*3\r\n$5\r\nLPUSH\r\n$13\r\ntriage:triage\r\n$1\r\nx\r\n"]
    assert labels.of_redis(packed) == ("redis.LPUSH(triage)", 1)
    assert labels.of_redis([b"*1\r\n$4\r\nPING\r\n"]) == (None, 1)
