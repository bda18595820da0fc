"""Rate limits and the day's budget: which buckets are taken from, who waits, and what a 429 does."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.guarding import Hand, request
from triage.errors import NotSent, OutcomeUnknown, Postponed, StoreUnavailable
from triage.guards.rate import Budget, RateLimit
from triage.model import Rate, Sent, ToolClass, ToolSpec
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SPEC = ToolSpec("chat", ToolClass.BLIND, SECOND, rate=Rate(2, MINUTE), target_rate=Rate(1, SECOND))
TOO_OFTEN = NotSent("429", timedelta(seconds=7))


def test_a_tool_without_a_rate_costs_no_statement() -> None:
    """Where nobody set a limit, the shared state is not asked at all, not even to block."""
    shared = SharedMemory()
    guard = RateLimit(RecordingTool(Sent("R-1"), TOO_OFTEN), shared)
    assert guard.send(request()) == Sent("R-1")
    with pytest.raises(NotSent):
        guard.send(request())
    assert shared.calls == []


def test_each_target_and_the_whole_tool_are_limited() -> None:
    """A call is taken from its target's bucket and from the tool's; where there is none, the run waits for one."""
    tool, clock = RecordingTool(spec=SPEC), Hand()
    shared = SharedMemory(clock)
    guard = RateLimit(tool, shared)
    guard.send(request())
    assert shared.calls == ["take chat/here", "take chat"]
    with pytest.raises(Postponed) as caught:
        guard.send(request())
    assert str(caught.value) == "chat/here may be called 1 times in 0:00:01, and no call is left"
    assert (caught.value.wait, caught.value.waits_on) == (SECOND, "tool")
    guard.send(request(target="there"))
    with pytest.raises(Postponed) as caught:
        guard.send(request(target="elsewhere"))
    assert caught.value.wait == MINUTE
    clock.pass_by(MINUTE)
    guard.send(request())
    assert len(tool.sent) == 3


def test_a_set_rate_takes_the_place_of_the_declared_one() -> None:
    """What the settings say counts, not what the tool declares."""
    shared = SharedMemory(Hand())
    guard = RateLimit(RecordingTool(spec=replace(SPEC, target_rate=None)), shared, rate=Rate(3, MINUTE))
    for _ in range(3):
        guard.send(request())
    with pytest.raises(Postponed, match="chat may be called 3 times in 0:01:00"):
        guard.send(request())


def test_too_often_blocks_the_target_for_everybody() -> None:
    """When the other system asks for a wait, nobody calls that target until then; other targets go on."""
    tool, clock = RecordingTool(TOO_OFTEN, Sent("R-1"), spec=SPEC), Hand()
    guard = RateLimit(tool, SharedMemory(clock))
    with pytest.raises(NotSent) as caught:
        guard.send(request())
    assert caught.value is TOO_OFTEN
    with pytest.raises(Postponed) as blocked:
        guard.send(request())
    assert blocked.value.wait == timedelta(seconds=7)
    assert guard.send(request(target="there")) == Sent("R-1")
    clock.pass_by(MINUTE)
    assert guard.send(request()) == Sent("R-1")


def test_too_often_blocks_the_tool_where_targets_have_no_rate() -> None:
    """A tool that is limited as a whole is blocked as a whole."""
    shared = SharedMemory(Hand())
    guard = RateLimit(RecordingTool(TOO_OFTEN), shared, rate=Rate(9, MINUTE))
    with pytest.raises(NotSent):
        guard.send(request())
    assert shared.calls == ["take recorder", "block recorder"]


@pytest.mark.parametrize(
    "error",
    [
        NotSent("nobody answers"),
        NotSent("429, come at once", timedelta()),
        Postponed("only 3 ms were left", SECOND),
        OutcomeUnknown("the answer was lost"),
    ],
    ids=repr,
)
def test_only_the_other_systems_own_wait_blocks(error: Exception) -> None:
    """Other errors, and a guard's own wait, block nobody and leave as they are."""
    shared = SharedMemory()
    with pytest.raises(type(error)) as caught:
        RateLimit(RecordingTool(error, spec=SPEC), shared).send(request())
    assert caught.value is error
    assert shared.calls == ["take chat/here", "take chat"]


def test_nothing_is_sent_while_the_buckets_cannot_be_reached() -> None:
    """If no call can be taken from a bucket, none is made."""
    tool, shared = RecordingTool(spec=SPEC), SharedMemory()
    shared.away = {"take"}
    for guard in (RateLimit(tool, shared), Budget(tool, shared, 5)):
        with pytest.raises(StoreUnavailable):
            guard.send(request())
    assert tool.sent == []


def test_a_block_that_fails_does_not_change_the_answer() -> None:
    """If the state is away after the call, the other system's wait leaves all the same."""
    shared = SharedMemory()
    shared.away = {"block"}
    with pytest.raises(NotSent) as caught:
        RateLimit(RecordingTool(TOO_OFTEN, spec=SPEC), shared).send(request())
    assert caught.value is TOO_OFTEN
    assert "block chat/here" in shared.calls


def test_a_budget_is_for_a_day() -> None:
    """A tool is called so many times a day, whatever the target, and the run waits for the day to pass."""
    tool, clock = RecordingTool(), Hand()
    shared = SharedMemory(clock)
    guard = Budget(tool, shared, 2)
    guard.send(request())
    guard.send(request(target="there"))
    clock.pass_by(timedelta(hours=23))
    with pytest.raises(Postponed) as caught:
        guard.send(request(target="elsewhere"))
    assert str(caught.value) == "recorder may be called 2 times a day (limits.per_day), and no call is left"
    assert caught.value.wait == timedelta(hours=1)
    clock.pass_by(timedelta(hours=1))
    guard.send(request())
    assert len(tool.sent) == 3
    assert set(shared.calls) == {"take recorder/day"}
