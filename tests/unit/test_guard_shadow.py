"""The shadow: the second tool sees what was sent, and can change nothing."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from tests.unit.guarding import KEY, request
from triage import clock, telemetry
from triage.errors import NotSent, OutcomeUnknown
from triage.guards import shadow
from triage.guards.shadow import Shadow, shadow_key
from triage.model import Approval, Request, Sent, ToolClass, ToolSpec
from triage.testing.tools import SPEC, RecordingTool

SECOND = ToolSpec("second", ToolClass.KEYED, timeout=SPEC.timeout * 3)


def wait_for(logged: list[dict[str, object]], event: str, count: int = 1) -> list[dict[str, object]]:
    """Wait until an event was logged so often."""
    end = time.monotonic() + 10
    while len(found := [entry for entry in logged if entry["event"] == event]) < count:
        assert time.monotonic() < end, logged
        time.sleep(0.005)
    return found


def test_the_second_tool_sees_what_was_sent() -> None:
    """After success the second tool gets the same content under its own key, with its own time and no approval."""
    tool, second = RecordingTool(Sent("R-7")), RecordingTool(Sent("S-8"), spec=SECOND)
    asked = request(approval=Approval(1, b""), deadline=clock.now() + 1)
    with capture_logs() as logged:
        guard = Shadow(tool, second)
        assert guard.send(asked) == Sent("R-7")
        compared = wait_for(logged, telemetry.SHADOW)
    assert (compared[0]["first_id"], compared[0]["second_id"]) == ("R-7", "S-8")
    assert (compared[0]["tool"], compared[0]["second"]) == ("recorder", "second")
    assert (second.sent[0].content, second.sent[0].target) == (asked.content, asked.target)
    assert second.sent[0].key == shadow_key(KEY, "second")
    assert second.sent[0].approval is None
    assert 20 < second.sent[0].deadline - clock.now() <= 30


def test_a_shadows_key_is_its_own() -> None:
    """It is 64 hexadecimal digits, the same for the same request and tool, and another one for all else."""
    keys = {shadow_key(KEY, "second"), shadow_key(KEY, "third"), shadow_key("cd" * 32, "second"), KEY}
    assert len(keys) == 4
    assert shadow_key(KEY, "second") == shadow_key(KEY, "second")
    assert len(bytes.fromhex(shadow_key(KEY, "second"))) == 32


@pytest.mark.parametrize("error", [NotSent("nobody answers"), OutcomeUnknown("lost")], ids=repr)
def test_what_was_not_sent_has_no_shadow(error: Exception) -> None:
    """The second tool gets only what the first one confirmed."""
    tool, second = RecordingTool(error, Sent("R-7")), RecordingTool(spec=SECOND)
    guard = Shadow(tool, second)
    with pytest.raises(type(error)):
        guard.send(request())
    guard.send(request(target="there"))
    second.wait_for(1)
    assert [sent.target for sent in second.sent] == ["there"]


@pytest.mark.parametrize("error", [NotSent("nobody answers"), ValueError("a bug")], ids=repr)
def test_a_shadow_that_fails_is_only_logged(error: Exception) -> None:
    """Whatever the second tool does, the first one's answer counts, and the next request is shadowed again."""
    second = RecordingTool(error, Sent("S-8"), spec=SECOND)
    with capture_logs() as logged:
        guard = Shadow(RecordingTool(), second)
        assert guard.send(request()) == Sent("R-1")
        assert wait_for(logged, telemetry.SHADOW_FAILED)[0]["first_id"] == "R-1"
        assert guard.send(request()) == Sent("R-2")
        assert wait_for(logged, telemetry.SHADOW)[0]["first_id"] == "R-2"


class Stuck(RecordingTool):
    """A tool that does not come back until it is let go."""

    def __init__(self) -> None:
        """It is held at first."""
        super().__init__(spec=SECOND)
        self.let_go = threading.Event()

    def send(self, request: Request) -> Sent:
        """Wait, then answer."""
        sent = super().send(request)
        self.let_go.wait(10)
        return sent


def test_a_shadow_that_hangs_keeps_nobody() -> None:
    """While the second tool hangs, the first one goes on; what cannot wait any more is dropped and counted."""
    second = Stuck()
    with capture_logs() as logged:
        guard = Shadow(RecordingTool(), second)
        guard.send(request())
        second.wait_for(1)
        for _ in range(shadow.MOST_WAITING + 3):
            guard.send(request())
        assert guard.lost == 3
        assert [entry["lost"] for entry in wait_for(logged, telemetry.SHADOW_LOST, 3)] == [1, 2, 3]
        second.let_go.set()
        second.wait_for(1 + shadow.MOST_WAITING)
        wait_for(logged, telemetry.SHADOW, 1 + shadow.MOST_WAITING)
