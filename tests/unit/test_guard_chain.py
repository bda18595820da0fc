"""All guards together: their order, what they cost, and that nothing leaves when the shared state is away."""

import timeit
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest

from tests.unit.guarding import EVENT, MONDAY, event, request
from triage import clock
from triage.errors import ApprovalNeeded, GuardRefused, OutcomeUnknown, Postponed
from triage.guards.chain import Known, guarded
from triage.guards.policy import Breaker, Policy
from triage.model import Approval, Rate, Request, Sent
from triage.ports import Tool
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool

LONG, SHORT = timedelta(hours=1), timedelta(seconds=1)
FIELDS = {
    "name": "ours",
    "events": {"domains": ["example.org"]},
    "limits": {"per_day": {"recorder": 1}, "per_minute": {"recorder": 9}},
    "approval": {"severities": ["critical"]},
}
OURS = Policy.model_validate(FIELDS)
SHIPPED = Policy.load()
COST = 150e-6
"""Seconds of CPU that all guards together may take of one call."""
HERE = Known(frozenset({"here"}), now=lambda: MONDAY)
Setting: TypeAlias = tuple[SharedMemory, dict[str, Any]]


def switch_off(given: Setting) -> None:
    """Let the kill switch refuse."""
    given[0].switch_off("*", "kim: night")


def forbid(given: Setting) -> None:
    """Let the policy refuse."""
    given[1]["content"] = {**EVENT, "minutes": 540}


def ask(given: Setting) -> None:
    """Let the approval refuse."""
    given[1]["severity"] = "critical"


def trip(given: Setting) -> None:
    """Let the circuit breaker refuse."""
    given[0].failed("recorder", error="down", threshold=1, cool_down=LONG)


def hurry(given: Setting) -> None:
    """Let the rate limit refuse."""
    given[0].block("recorder", SHORT)


def spend(given: Setting) -> None:
    """Let the budget refuse."""
    given[0].take("recorder/day", Rate(1, timedelta(days=1)))


def delay(given: Setting) -> None:
    """Let the deadline refuse."""
    given[1]["deadline"] = clock.now()


ORDER: list[tuple[Callable[[Setting], None], str]] = [
    (switch_off, "every tool is switched off"),
    (forbid, "refused by the policy ours@"),
    (ask, "a person has to approve it"),
    (trip, "is left alone for now"),
    (hurry, "recorder may be called 9 times in"),
    (spend, "recorder may be called 1 times a day"),
    (delay, "ms were left"),
]


def chain(tool: Tool, shared: SharedMemory, **changes: Any) -> Tool:
    """Guard a tool as strictly as these tests need it."""
    given: dict[str, Any] = {"policy": OURS, "known": HERE}
    return guarded(tool, shared=shared, **(given | changes))


@pytest.mark.parametrize("outermost", range(len(ORDER)), ids=[act.__name__ for act, _ in ORDER])
@pytest.mark.parametrize("dry_run", [False, True])
def test_the_outermost_guard_that_refuses_speaks(outermost: int, *, dry_run: bool) -> None:
    """If this guard and all inside it would refuse, it is this one that does: also in a dry run."""
    shared, fields = SharedMemory(), {}
    for act, _ in ORDER[outermost:]:
        act((shared, fields))
    tool = RecordingTool()
    asked = event() if "content" not in fields else event(minutes=540)
    asked = Request(**{**{name: getattr(asked, name) for name in Request.__slots__}, **fields})
    with pytest.raises((Postponed, GuardRefused, ApprovalNeeded), match=ORDER[outermost][1]):
        chain(tool, shared, dry_run=dry_run).send(asked)
    assert tool.sent == []


def test_what_nobody_refuses_is_sent_once() -> None:
    """A request that all guards let through reaches the tool once, as it is."""
    tool, shared = RecordingTool(), SharedMemory()
    asked = event()
    assert chain(tool, shared).send(asked) == Sent("R-1")
    assert tool.sent == [asked]


def test_a_dry_run_goes_through_all_guards_but_never_reaches_the_tool() -> None:
    """A dry run takes its turn like a real call, and is not made."""
    tool, shared = RecordingTool(), SharedMemory()
    assert chain(tool, shared, dry_run=True).send(event()).remote_id == "dry-run"
    assert shared.calls[-2:] == ["take recorder", "take recorder/day"]
    assert tool.sent == []


def test_an_outage_does_not_use_up_the_days_budget() -> None:
    """What the breaker and the rate limit keep back takes nothing out of the day's budget."""
    shared = SharedMemory()
    guard = chain(RecordingTool(), shared)
    for stop in (trip, hurry):
        stop((shared, {}))
        for _ in range(5):
            with pytest.raises(Postponed):
                guard.send(event())
        shared.succeeded("recorder")
    assert "take recorder/day" not in shared.calls


def test_what_was_sent_is_shadowed_and_what_was_refused_is_not() -> None:
    """The shadow is outermost: its tool sees only what all guards let through and the tool confirmed."""
    second = RecordingTool()
    guard = chain(RecordingTool(), SharedMemory(), second=second)
    with pytest.raises(GuardRefused):
        guard.send(event(minutes=540))
    guard.send(event(title="sent"))
    second.wait_for(1)
    assert [sent.content["title"] for sent in second.sent] == ["sent"]


def test_an_approved_request_still_needs_the_policy() -> None:
    """No person's leave goes over the policy: it is asked first, with every call."""
    forbidden = event(minutes=540)
    asked = Request(
        key=forbidden.key,
        target=forbidden.target,
        content=forbidden.content,
        deadline=forbidden.deadline,
        stage=forbidden.stage,
        severity="critical",
        approval=Approval(1, forbidden.digest),
    )
    with pytest.raises(GuardRefused, match="it lasts 9 h"):
        chain(RecordingTool(), SharedMemory()).send(asked)


@pytest.mark.parametrize("away", ["tool", "take"])
def test_nothing_leaves_while_the_shared_state_is_away(away: str) -> None:
    """If switches, breakers or buckets cannot be told, nothing is sent, and the run waits until they can."""
    tool, shared = RecordingTool(), SharedMemory()
    shared.away = {away}
    with pytest.raises(Postponed, match="nothing was sent, because the guards cannot be asked") as caught:
        chain(tool, shared).send(event())
    assert caught.value.wait == timedelta(seconds=2)
    assert tool.sent == []


def test_the_breaker_opens_after_ten_failures_unless_set() -> None:
    """By default ten failures in a row open it for 5 s; both can be set."""
    shared = SharedMemory()
    guard = guarded(RecordingTool(OutcomeUnknown("lost")), policy=SHIPPED, shared=shared, known=HERE)
    for _ in range(10):
        assert not shared.tool("recorder").open_for
        with pytest.raises(OutcomeUnknown):
            guard.send(request())
    assert timedelta(seconds=4) < shared.tool("recorder").open_for <= timedelta(seconds=5)
    once = chain(
        RecordingTool(OutcomeUnknown("lost")),
        fresh := SharedMemory(),
        policy=OURS.model_copy(update={"breaker": Breaker(threshold=1, cool_down=LONG)}),
    )
    with pytest.raises(OutcomeUnknown):
        once.send(event())
    assert fresh.tool("recorder").open_for > timedelta(minutes=9)


class Quick(RecordingTool):
    """A tool that costs nothing."""

    def send(self, request: Request) -> Sent:  # noqa: ARG002 - nothing is made of it
        """The same object."""
        return Sent("R-1")


def test_the_normal_case_costs_no_statement_and_little_time() -> None:
    """A ticket for a tool without limits passes all guards in less than 0.15 ms, and nothing is written."""
    shared = SharedMemory()
    guard = guarded(Quick(), policy=SHIPPED, shared=shared, known=HERE)
    asked = request(deadline=clock.now() + 1_000)
    seconds = min(timeit.repeat(lambda: guard.send(asked), number=200, repeat=5)) / 200
    assert {call.split()[0] for call in shared.calls} == {"tool"}
    assert seconds < COST
