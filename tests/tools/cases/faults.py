"""Cases of calls that go wrong: what each answer is taken for, and what exists there in the end."""

import re
from dataclasses import replace
from datetime import timedelta

from tests.tools.cases.registry import case, http
from tests.tools.scene import KEPT_KEYS, NotPossible, Scene, fresh_key, renewed, says, text_of, wait
from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import ToolClass
from triage.testing import Fault, FaultKind
from triage.testing.proxy import Answer

SHORTEST = 5
"""Characters of words that can be told from others."""
SLACK = 0.5
"""Seconds that a call may end after its deadline."""
CREDENTIALS = re.compile(r"credential|token|password|log.?in|401", re.IGNORECASE)


@case
def commit_then_drop(scene: Scene) -> None:
    """A lost answer leaves the outcome unknown, and the recipe of its class ends with one object."""
    request = scene.request()
    scene.broken("commit_then_drop")
    scene.fails(request, OutcomeUnknown)
    scene.holds(1)
    scene.once(request)


@case
def late_commit(scene: Scene) -> None:
    """A call that is committed after it was given up ends as one object."""
    request = scene.hasty()
    scene.broken(Fault(FaultKind.HANG_LATE_COMMIT, scene.trait("patience") + 0.8))
    scene.fails(request, OutcomeUnknown)
    if scene.kind is ToolClass.FINDABLE:
        assert scene.tool.find(renewed(request)) is None, "found before it was there"
    if scene.kind in KEPT_KEYS:
        scene.send(renewed(request))
    calls = 1 + (scene.kind in KEPT_KEYS)
    assert wait(lambda: scene.subject.proxy.forwarded == calls, 5), "the late call never came"
    scene.once(request)


@case
def too_often(scene: Scene) -> None:
    """A limit means that nothing was done, and when to come again."""
    scene.broken(scene.trait("limited") if scene.trait("http") else "429")
    error = scene.fails(scene.request(), NotSent)
    if scene.trait("http"):
        assert error.retry_after == timedelta(seconds=7), f"not 7 s: {error!r}"
    scene.holds(0)


@case
def errors_before(scene: Scene) -> None:
    """A 5xx leaves the outcome unknown, also when nothing was done."""
    html = [Answer(status, b"<html>oh no</html>", {"content-type": "text/html"}) for status in (500, 502, 504)]
    for step in scene.steps(answers=html):
        request = replace(scene.request(), key=fresh_key())
        scene.broken(step)
        scene.fails(request, OutcomeUnknown)
        assert scene.subject.objects(request.key) == []
    request = scene.request()
    scene.broken("500_before")
    scene.fails(request, OutcomeUnknown)
    scene.once(request, committed=False)


@case
def errors_after(scene: Scene) -> None:
    """A 5xx after the commit ends as one object."""
    for step in scene.steps("500_after", answers=[says(502, commit=True)]):
        fresh = replace(scene, key=fresh_key())
        request = fresh.request()
        fresh.broken(step)
        fresh.fails(request, OutcomeUnknown)
        fresh.holds(1)
        fresh.once(request)


@case
def unavailable(scene: Scene) -> None:
    """A 503 with a Retry-After is an unknown outcome, unless the system documents otherwise."""
    http(scene)
    scene.broken(says(503, {"retry-after": "7"}))
    scene.fails(scene.request(), scene.trait("unavailable"))
    scene.holds(0)


@case
def unauthorized(scene: Scene) -> None:
    """Credentials that are not accepted can be mended: nothing was done, and the words say so."""
    errors: list[NotSent] = []
    if imposter := getattr(scene.subject, "imposter", None):
        errors.append(replace(scene, stand_in=imposter()).fails(scene.request(), NotSent, at_most=True))
    if scene.trait("http"):
        scene.broken(scene.trait("denied"))
        errors.append(scene.fails(scene.request(), NotSent))
    if not errors:
        raise NotPossible("it does not speak HTTP")
    for error in errors:
        assert CREDENTIALS.search(str(error)), f"credentials are not named: {error}"
    scene.holds(0)


@case
def refusals(scene: Scene) -> None:
    """A definite no is a refusal, explained with the other system's words."""
    for answer in scene.trait("refusals") if scene.trait("http") else ["refuse"]:
        scene.broken(answer)
        error = scene.fails(scene.request(), Refused)
        if isinstance(answer, Answer):
            words = [line for line in text_of(answer.body).split("\n") if len(line) > SHORTEST] or [str(answer.status)]
            assert any(each in str(error) for each in words), f"none of {words} is in: {error}"
        assert str(error)
    scene.holds(0)


@case
def garbage(scene: Scene) -> None:
    """An answer that cannot be read leaves the outcome unknown."""
    bodies = (b"<html>It works!</html>", b"{}", b"[]", b"null", b'{"id":')
    read = [Answer(200, body, {"content-type": "application/json"}, commit=True) for body in bodies]
    for step in scene.steps("garbage", answers=read):
        fresh = replace(scene, key=fresh_key())
        request = fresh.request()
        fresh.broken(step)
        fresh.fails(request, OutcomeUnknown)
        fresh.once(request)


@case
def hang(scene: Scene) -> None:
    """A call ends at its deadline, whether the answer never comes or comes drop by drop."""
    for fault in ("hang", "hang_after_commit", Fault(FaultKind.SLOW, 30.0)):
        request = replace(scene.hasty(), key=fresh_key())
        scene.broken(fault)
        scene.fails(request, OutcomeUnknown)
        late = scene.ended[-1] - request.deadline
        assert -0.1 < late < SLACK, f"it ended {late:.2f} s after its deadline"


@case
def huge(scene: Scene) -> None:
    """An answer without end is not read to its end, and leaves the outcome unknown."""
    http(scene)
    request = scene.request()
    scene.broken("huge")
    scene.fails(request, OutcomeUnknown)
    scene.once(request)


@case
def one_request(scene: Scene) -> None:
    """Whatever the answer is, one send makes at most one request that changes something."""
    away = {"location": f"{scene.subject.proxy.url}/elsewhere"}
    answers = [says(status, {"retry-after": "0"}) for status in (408, 425, 429, 502, 503)]
    answers += [Answer(status, b"", away) for status in (301, 302, 303, 307, 308)]
    faults = ("reset_before", "commit_then_drop", "429", "500_after", "garbage", "refuse")
    for step in scene.steps(*faults, answers=answers):
        scene.subject.proxy.reset()
        scene.broken(step)
        ended = scene.outcome(replace(scene.request(), key=fresh_key()))
        writes = scene.subject.proxy.writes
        assert writes == 1 or not (writes or scene.trait("http")), f"{writes} writes after {step}"
        moved = isinstance(step, Answer) and bool(step.headers.get("location"))
        assert not moved or type(ended) is OutcomeUnknown, f"a redirect became {ended!r}"
