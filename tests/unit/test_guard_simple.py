"""The small guards: kill switch, approval, deadline, dry run, and the tool that there is not."""

from datetime import timedelta

import pytest

from tests.unit.guarding import KEY, MONDAY, event, request
from triage import clock
from triage.errors import ApprovalNeeded, GuardRefused, Postponed, StoreUnavailable
from triage.guards.approval import ApprovalGuard
from triage.guards.base import Guard
from triage.guards.deadline import Deadline
from triage.guards.dry_run import DryRun
from triage.guards.no_such_tool import NoSuchTool
from triage.guards.policy import ApprovalRules
from triage.guards.switch import KillSwitch
from triage.model import Approval, LiveValues, Request, Sent, Stage, ToolClass
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool


def test_a_guard_passes_everything_on() -> None:
    """A guard has its tool's own signature: whatever is asked of it, the tool answers."""
    tool = RecordingTool()
    guard = Guard(tool)
    sent = guard.send(request())
    assert guard.spec is tool.spec
    assert guard.render(request()) == KEY.encode()
    assert guard.find(request()) == Sent("R-found")
    assert guard.dropped(request(), sent) == ("R-1 lost a label of here",)
    assert guard.values(0.0) == LiveValues(targets=frozenset({"here"}))
    assert [hit.key for hit in guard.marked(MONDAY, 0.0)] == [KEY]
    assert [one.key for one in guard.changed("here", MONDAY, "", 0.0).items] == [KEY]
    assert [finding.good for finding in guard.preflight(0.0)] == [True]
    assert tool.asked == ["render", "find", "dropped", "values", "marked", "changed", "preflight"]


@pytest.mark.parametrize(("name", "told"), [("recorder", "recorder"), ("*", "every tool")])
def test_a_tool_that_is_switched_off_sends_nothing(name: str, told: str) -> None:
    """While its switch, or the one for all, is off, nothing is sent, and it is told who did it and why."""
    tool, shared = RecordingTool(), SharedMemory()
    guard = KillSwitch(tool, shared)
    shared.switch_off(name, "kim: it files nonsense")
    with pytest.raises(Postponed) as caught:
        guard.send(request())
    assert str(caught.value) == f"{told} is switched off: kim: it files nonsense"
    assert (caught.value.wait, caught.value.waits_on) == (timedelta(seconds=30), "switch")
    assert tool.sent == []
    shared.switch_off(name, "")
    assert guard.send(request()) == Sent("R-1")


def test_another_tools_switch_changes_nothing() -> None:
    """Only the tool's own switch and the one for all count."""
    shared = SharedMemory()
    shared.switch_off("other", "kim: broken")
    assert KillSwitch(RecordingTool(), shared).send(request()) == Sent("R-1")


def test_an_unknown_switch_is_off() -> None:
    """While the switches cannot be told, nothing is sent."""
    tool, shared = RecordingTool(), SharedMemory()
    shared.away = {"tool"}
    with pytest.raises(StoreUnavailable):
        KillSwitch(tool, shared).send(request())
    assert tool.sent == []


@pytest.mark.parametrize(
    ("rules", "asked", "why"),
    [
        ({"severities": ["critical"]}, request(severity="critical"), "approval.severities has critical"),
        ({"tools": ["recorder"]}, request(), "approval.tools has recorder"),
        ({"purposes": ["events"]}, event(), "approval.purposes has events"),
        ({"below_confidence": 0.8}, request(confidence=0.79), "approval.below_confidence = 0.8"),
        ({"below_confidence": 0.8}, request(confidence=float("nan")), "approval.below_confidence = 0.8"),
    ],
)
def test_a_rule_asks_for_a_person(rules: dict[str, object], asked: Request, why: str) -> None:
    """Each rule keeps its requests back until a person approved them, and says which rule it is."""
    tool = RecordingTool()
    guard = ApprovalGuard(tool, ApprovalRules.model_validate({**rules, "people": 2, "lifetime": "1 h"}))
    with pytest.raises(ApprovalNeeded) as caught:
        guard.send(asked)
    assert str(caught.value) == f"2 people have to approve it: {why}"
    assert (caught.value.digest, caught.value.people) == (asked.digest, 2)
    assert caught.value.lifetime == timedelta(hours=1)
    assert tool.sent == []


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        ({}, request(severity="critical", confidence=0.0)),
        ({}, request(confidence=float("nan"))),
        ({"severities": ["critical"]}, request(severity="high")),
        ({"tools": ["calendar"]}, request()),
        ({"purposes": ["events"]}, request()),
        ({"purposes": ["events"]}, request(Stage.TRIAGE, {})),
        ({"below_confidence": 0.8}, request(confidence=0.8)),
    ],
)
def test_what_no_rule_asks_about_needs_nobody(rules: dict[str, object], asked: Request) -> None:
    """Without a rule that fits, nothing waits; the shipped policy has none."""
    assert ApprovalGuard(RecordingTool(), ApprovalRules.model_validate(rules)).send(asked) == Sent("R-1")


def test_an_approval_is_for_exactly_this_request() -> None:
    """A leave lets through the request that was shown, and no other content, target or key."""
    tool = RecordingTool()
    guard = ApprovalGuard(tool, ApprovalRules(tools=("recorder",)))
    shown = Approval(1, request().digest)
    for other in (request(content={"title": "other"}), request(target="there")):
        with pytest.raises(ApprovalNeeded, match="a person has to approve it"):
            guard.send(request(content=other.content, target=other.target, approval=shown))
    assert tool.sent == []
    assert guard.send(request(approval=shown)) == Sent("R-1")


@pytest.mark.parametrize("left", [0.04, 0.0, -5.0])
def test_a_call_that_cannot_end_in_time_is_not_begun(left: float) -> None:
    """With less than 50 ms left nothing is sent, and the run comes back with a new deadline."""
    tool = RecordingTool()
    with pytest.raises(Postponed, match=r"[0-9]+ ms were left for recorder, 50 are needed") as caught:
        Deadline(tool).send(request(deadline=clock.now() + left))
    assert (caught.value.wait, caught.value.waits_on) == (timedelta(seconds=1), "tool")
    assert tool.sent == []


def test_enough_time_is_enough() -> None:
    """With more than the set minimum left, the call is made."""
    guard = Deadline(RecordingTool(), timedelta(milliseconds=200))
    assert guard.send(request(deadline=clock.now() + 5)) == Sent("R-1")
    with pytest.raises(Postponed, match="200 are needed"):
        guard.send(request(deadline=clock.now() + 0.15))


def test_a_dry_run_sends_nothing_and_says_so() -> None:
    """A dry run answers as if it had sent, says that it did not, and reads nothing back."""
    tool = RecordingTool()
    guard = DryRun(tool)
    sent = guard.send(request())
    assert sent == Sent("dry-run", "", ("nothing was sent: dry run",))
    assert guard.dropped(request(), sent) == ()
    assert (tool.sent, tool.asked) == ([], [])


def test_what_was_really_sent_before_a_dry_run_is_read_back() -> None:
    """An object from before the dry run is read back as ever."""
    assert DryRun(RecordingTool()).dropped(request(), Sent("R-7")) == ("R-7 lost a label of here",)


def test_there_is_no_tool_for_a_refund() -> None:
    """A proposal without a tool is refused for good, naming what was proposed, and nothing of it is found later."""
    tool = NoSuchTool("no-such-tool")
    with pytest.raises(GuardRefused) as caught:
        tool.send(event(follow_up="refund.issue"))
    assert str(caught.value) == "there is no tool for 'refund.issue' (follow_ups.kinds)"
    with pytest.raises(GuardRefused, match="there is no tool for 'refund'"):
        tool.send(request(Stage.FOLLOW_UP, {}, target="refund"))
    assert (tool.spec.name, tool.spec.tool_class) == ("no-such-tool", ToolClass.BLIND)
    assert (tool.render(event()), tool.find(event()), tool.dropped(event(), Sent(""))) == (b"", None, ())
    assert tool.values(0.0) == LiveValues()
    assert (list(tool.marked(MONDAY, 0.0)), list(tool.preflight(0.0))) == ([], [])
    assert tool.changed("here", MONDAY, "", 0.0).items == ()


def test_a_proposals_name_is_cut() -> None:
    """Whatever a model made up as a kind, the refusal stays short."""
    with pytest.raises(GuardRefused) as caught:
        NoSuchTool("no-such-tool").send(event(follow_up=["refund" * 1_000]))
    assert len(str(caught.value)) < 120
