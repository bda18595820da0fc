"""Cases of questions: look-up, read-back, values, sweep and preflight."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.tools.cases.registry import case, has, only
from tests.tools.scene import PATIENCE, NotPossible, Scene, nothing_learned, renewed, says, wait
from triage import clock
from triage.errors import NotSent
from triage.model import Request, Sent, ToolClass
from triage.testing.proxy import Answer
from triage.tools.adapter import Adapter

CREDENTIALS = re.compile(r"credential|token|password|secret|sign|log.?in|user|right|access|401|403", re.IGNORECASE)

FAILING_READS: tuple[str | Answer, ...] = (
    "500_before",
    "garbage",
    "reset_before",
    "hang",
    says(401),
    says(403),
    says(404),
    says(503, {"retry-after": "1"}),
    Answer(200, b"{}", {"content-type": "application/json"}),
    Answer(200, b"null", {"content-type": "application/json"}),
    Answer(302, b"", {"location": "/"}),
)


@case
def look_up_fails(scene: Scene) -> None:
    """A look-up that fails in any way is never taken for "absent"."""
    only(scene, ToolClass.FINDABLE)
    request = scene.request()
    sent = scene.send(request)
    assert scene.found(request) is not None, "not even found when all is well"
    for number in range(_reads(scene, lambda: scene.tool.find(renewed(request)))):
        for fault in FAILING_READS:
            scene.subject.proxy.reset()
            scene.subject.proxy.script(*["none"] * number, fault, reads=True)
            patience = scene.trait("patience") if fault == "hang" else PATIENCE
            _never_none(scene, renewed(request, patience), sent, f"read {number + 1}: {fault}")
    scene.subject.proxy.reset()


def _reads(scene: Scene, ask: Callable[[], object]) -> int:
    """How many requests a question makes."""
    scene.subject.proxy.reset()
    ask()
    return len(scene.subject.proxy.requests)


def _never_none(scene: Scene, request: Request, sent: Sent, what: str) -> None:
    try:
        found = scene.tool.find(request)
    except NotSent:
        return
    assert found is not None, f"taken for absent after {what}"
    assert found.remote_id == sent.remote_id


@case
def other_reads_fail(scene: Scene) -> None:
    """Reading back, listing and asking for values end with `NotSent` when the system does not answer."""
    request = scene.request()
    sent = scene.send(request)
    since = datetime.now(UTC) - timedelta(hours=1)
    asks: dict[str, Callable[[], object]] = {
        "dropped": lambda: scene.tool.dropped(renewed(request), sent),
        "values": lambda: scene.tool.values(clock.now() + PATIENCE),
        "marked": lambda: list(scene.tool.marked(since, clock.now() + PATIENCE)),
    }
    asked = {
        name: ask for name, ask in asks.items() if getattr(type(scene.tool), name, None) is not getattr(Adapter, name)
    }
    if not asked:
        raise NotPossible("the tool asks nothing")
    for name, ask in asked.items():
        for fault in ("500_before", "garbage", says(403)):
            scene.subject.proxy.reset()
            scene.subject.proxy.script(fault, reads=True)
            learned = not nothing_learned(ask)
            assert not learned or scene.subject.proxy.unmet, f"{name} took {fault} for an answer"
    scene.subject.proxy.reset()


@case
def preflight(scene: Scene) -> None:
    """With a good set-up every finding is good, and nothing is changed."""
    has(scene, "preflight")
    findings = list(scene.tool.preflight(clock.now() + PATIENCE))
    bad = [finding for finding in findings if not finding.good]
    assert findings and not bad, f"bad: {bad}"
    assert not scene.subject.proxy.writes, "the preflight wrote something"


@case
def wrong_credentials(scene: Scene) -> None:
    """With wrong credentials the preflight says so."""
    has(scene, "preflight")
    imposter = getattr(scene.subject, "imposter", None)
    if imposter is None:
        scene.subject.proxy.script(*[scene.trait("denied")] * 30, reads=True)
    tool = scene.tool if imposter is None else imposter()
    bad = [finding for finding in tool.preflight(clock.now() + PATIENCE) if not finding.good]
    scene.subject.proxy.reset()
    assert bad, "all is said to be well"
    assert CREDENTIALS.search(" ".join(f"{bad[0].part} {bad[0].found} {bad[0].mend}".split())), f"not said: {bad}"
    assert all(finding.mend for finding in bad), f"no way to mend: {bad}"


@case
def live_values(scene: Scene) -> None:
    """The values that exist there contain the target that works."""
    has(scene, "values")
    values = scene.tool.values(clock.now() + PATIENCE)
    if values.targets is not None:
        assert scene.subject.target in values.targets, f"{scene.subject.target!r} is not in {values.targets}"


@case
def sweep(scene: Scene) -> None:
    """The sweep lists what was made, with its key and id."""
    has(scene, "marked")
    sent = scene.send(scene.request())
    wait(scene.marked, scene.quarantine.total_seconds() + 1)
    listed = [(hit.remote_id, hit.remote_url) for hit in scene.marked()]
    assert listed == [(sent.remote_id, sent.remote_url)]


@case
def two_with_one_key(scene: Scene) -> None:
    """Two objects with one key are both listed, so that somebody hears of the broken promise."""
    has(scene, "marked")
    only(scene, ToolClass.FINDABLE, ToolClass.BLIND, ToolClass.REPEATED)
    first, second = scene.send(scene.request()), scene.send(scene.request())
    scene.holds(2)
    wait(lambda: len(scene.marked()) > 1, scene.quarantine.total_seconds() + 1)
    assert sorted(hit.remote_id for hit in scene.marked()) == sorted((first.remote_id, second.remote_id))
