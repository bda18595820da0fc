"""The circuit breaker: what counts as a failure, when it opens, who may try, and that its books change nothing."""

from datetime import timedelta

import pytest

from tests.unit.guarding import Hand, request
from triage.errors import (
    GuardRefused,
    NotSent,
    OutcomeUnknown,
    Postponed,
    ProcessExpired,
    Refused,
    StoreUnavailable,
)
from triage.guards.breaker import CircuitBreaker
from triage.model import Sent
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool

HALF_A_MINUTE = timedelta(seconds=30)
LOST = OutcomeUnknown("the answer was lost")
FAILURES = [LOST, NotSent("nobody answers")]
NO_FAILURES = [
    Refused("422"),
    GuardRefused("no", "rule"),
    NotSent("429", timedelta(seconds=7)),
    NotSent("429, come at once", timedelta()),
    Postponed("no call is left", timedelta(seconds=1)),
    ProcessExpired("this process is late"),
    StoreUnavailable("Postgres is away"),
    ValueError("a bug"),
]


def tripped(tool: RecordingTool, clock: Hand) -> tuple[CircuitBreaker, SharedMemory]:
    """Let the breaker of a tool that answers with failures open."""
    shared = SharedMemory(clock)
    guard = CircuitBreaker(tool, shared, 2, HALF_A_MINUTE)
    for _ in range(2):
        with pytest.raises((OutcomeUnknown, NotSent)):
            guard.send(request())
    return guard, shared


def test_a_tool_that_is_well_costs_no_statement() -> None:
    """Without failures, the breaker only looks at this process's copy."""
    shared = SharedMemory()
    assert CircuitBreaker(RecordingTool(), shared, 5, HALF_A_MINUTE).send(request()) == Sent("R-1")
    assert shared.calls == ["tool recorder"]


@pytest.mark.parametrize("error", FAILURES, ids=str)
def test_failures_in_a_row_open_the_breaker(error: Exception) -> None:
    """After so many failures the tool is left alone for as long as the breaker is open, and says for how long."""
    tool, clock = RecordingTool(error), Hand()
    guard, shared = tripped(tool, clock)
    clock.pass_by(timedelta(seconds=10))
    with pytest.raises(Postponed) as caught:
        guard.send(request())
    assert str(caught.value) == "recorder failed 2 times in a row and is left alone for now"
    assert (caught.value.wait, caught.value.waits_on) == (timedelta(seconds=20), "tool")
    assert len(tool.sent) == 2
    assert shared.errors == [str(error)] * 2


@pytest.mark.parametrize("error", NO_FAILURES, ids=repr)
def test_what_is_no_failure_of_the_tool_never_opens_it(error: Exception) -> None:
    """A definite no, a wait, and what is our own affair are not counted against the tool, and leave as they are."""
    tool, shared = RecordingTool(error), SharedMemory()
    guard = CircuitBreaker(tool, shared, 1, HALF_A_MINUTE)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            guard.send(request())
        assert caught.value is error
    assert len(tool.sent) == 3
    assert set(shared.calls) == {"tool recorder"}


@pytest.mark.parametrize("answer", [Sent("R-7"), Refused("422")], ids=repr)
def test_an_answer_forgets_the_failures(answer: Sent | Exception) -> None:
    """Failures count only in a row: any answer, also a definite no, begins anew."""
    tool, shared = RecordingTool(LOST, answer, LOST, Sent("R-8")), SharedMemory()
    guard = CircuitBreaker(tool, shared, 2, HALF_A_MINUTE)
    with pytest.raises(OutcomeUnknown):
        guard.send(request())
    if isinstance(answer, Sent):
        assert guard.send(request()) == answer
    else:
        with pytest.raises(Refused):
            guard.send(request())
    with pytest.raises(OutcomeUnknown):
        guard.send(request())
    assert guard.send(request()) == Sent("R-8")
    assert shared.calls.count("succeeded recorder") == 2


def test_one_caller_tries_a_tool_that_has_cooled_down() -> None:
    """Once cooled down, the first caller tries the tool and closes the breaker; the others wait some seconds."""
    tool, clock = RecordingTool(LOST, LOST, Sent("R-7")), Hand()
    guard, shared = tripped(tool, clock)
    clock.pass_by(timedelta(seconds=31))
    assert shared.probe("recorder", timedelta(seconds=10))
    with pytest.raises(Postponed) as caught:
        guard.send(request())
    assert str(caught.value) == "recorder failed 2 times in a row; another call tries it now"
    assert caught.value.wait == timedelta(seconds=3)
    clock.pass_by(timedelta(seconds=11))
    assert guard.send(request()) == Sent("R-7")
    assert guard.send(request()) == Sent("R-7")
    assert shared.calls[-1] == "tool recorder"


def test_a_failed_trial_opens_it_again_for_longer() -> None:
    """If the tool is still down when it is tried, it is left alone for longer than before."""
    tool, clock = RecordingTool(LOST), Hand()
    guard, _ = tripped(tool, clock)
    clock.pass_by(timedelta(seconds=31))
    with pytest.raises(OutcomeUnknown):
        guard.send(request())
    with pytest.raises(Postponed) as caught:
        guard.send(request())
    assert caught.value.wait == timedelta(seconds=60)


@pytest.mark.parametrize("away", ["tool", "probe"])
def test_nothing_is_sent_while_the_state_cannot_be_told(away: str) -> None:
    """If it cannot be told whether the tool may be called, or who tries it, nothing is sent."""
    tool, clock = RecordingTool(LOST), Hand()
    guard, shared = tripped(tool, clock)
    clock.pass_by(timedelta(seconds=31))
    shared.away = {away}
    with pytest.raises(StoreUnavailable):
        guard.send(request())
    assert len(tool.sent) == 2


def test_books_that_fail_do_not_change_what_became_of_the_call() -> None:
    """If the state is away after the call, its confirmed object or its error leaves all the same."""
    tool, shared = RecordingTool(LOST, LOST, Sent("R-7"), Refused("422")), SharedMemory()
    guard = CircuitBreaker(tool, shared, 5, HALF_A_MINUTE)
    with pytest.raises(OutcomeUnknown):
        guard.send(request())
    shared.away = {"failed", "succeeded"}
    with pytest.raises(OutcomeUnknown) as caught:
        guard.send(request())
    assert caught.value is LOST
    assert guard.send(request()) == Sent("R-7")
    with pytest.raises(Refused):
        guard.send(request())
    assert shared.calls.count("succeeded recorder") == 2


class Buggy(SharedMemory):
    """A state whose books have a bug."""

    def succeeded(self, name: str) -> None:
        """Never works."""
        raise KeyError(name)


def test_a_bug_in_the_books_does_not_lose_the_object() -> None:
    """Whatever goes wrong with the books, a confirmed object stays confirmed."""
    guard = CircuitBreaker(RecordingTool(LOST, Sent("R-7")), Buggy(), 5, HALF_A_MINUTE)
    with pytest.raises(OutcomeUnknown):
        guard.send(request())
    assert guard.send(request()) == Sent("R-7")
