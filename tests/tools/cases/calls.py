"""Cases of calls that go well: what is sent, and what exists there in the end."""

from dataclasses import replace

from tests.tools.cases.registry import case, has, only
from tests.tools.scene import KEPT_KEYS, NotPossible, Scene, fresh_key, renewed
from triage.errors import NotSent, Refused
from triage.model import Json, Sent, ToolClass
from triage.tools.adapter import usable_link

ODD: tuple[Json, ...] = (
    {},
    {"title": None, "text": 5, "labels": "one", "origin": [], "why": {}, "related": [1, {"id": []}], "link": 7},
    {"title": 1, "text": ["a"], "origin": "x", "related": {"id": 1}, "labels": {"a": 1}, "component": 3, "route": 4},
    {"title": "", "text": "", "start": "soon", "minutes": -1, "attendees": "nobody", "thread": [], "severity": []},
)


@case
def create(scene: Scene) -> None:
    """One call makes one object with the whole key, an id, a link, and what the draft says."""
    request = scene.request()
    sent = scene.send(request)
    assert sent.remote_id
    assert sent.remote_url == usable_link(sent.remote_url)
    assert sent.remote_url or not scene.trait("links"), "no link"
    scene.holds(1)
    said = str(request.content.get("title") or request.content["text"])
    assert said in scene.arrived(sent), f"{said!r} did not arrive"


@case
def render(scene: Scene) -> None:
    """What is sent is what `render` says, byte for byte, each time."""
    request = scene.request()
    scene.send(request)
    assert scene.tool.render(request) == scene.tool.render(renewed(request)) == scene.writes()[-1].body


@case
def odd_drafts(scene: Scene) -> None:
    """A draft with missing or odd fields never breaks the adapter."""
    for content in ODD:
        request = replace(scene.request(content), key=fresh_key())
        scene.tool.render(request)
        ended = scene.outcome(request, at_most=True)
        assert isinstance(ended, Sent | Refused | NotSent), f"{content} ended as {ended!r}"


@case
def repeat(scene: Scene) -> None:
    """The same call again leads to the first object, where that is promised."""
    request = scene.request()
    sent = scene.send(request)
    if scene.kind is ToolClass.BLIND:
        raise NotPossible("it is blind")
    again = scene.recovered(request)
    assert again is not None, "the object was not found"
    if scene.kind is not ToolClass.FINDABLE:
        first, second = scene.writes()
        assert first.body == second.body, "not the same bytes"
    if scene.kind is ToolClass.REPEATED:
        scene.holds(2)
        return
    assert (again.remote_id, again.remote_url) == (sent.remote_id, sent.remote_url)
    scene.holds(1)


@case
def deleted(scene: Scene) -> None:
    """What a person deleted is not made again."""
    if not scene.trait("can_delete"):
        raise NotPossible("nothing can be deleted there")
    only(scene, *KEPT_KEYS, ToolClass.FINDABLE)
    request = scene.request()
    sent = scene.send(request)
    scene.subject.delete(sent.remote_id)
    made = len(scene.objects())
    if scene.kind is ToolClass.FINDABLE:
        assert scene.tool.find(renewed(request)) is None, "found although it is gone"
    else:
        again = scene.send(renewed(request))
        assert "deleted" in " ".join(again.dropped), f"not said: {again}"
    assert len(scene.objects()) <= made, "it was made again"


@case
def marker_dropped(scene: Scene) -> None:
    """A marker that the system left out is missed when the object is read back."""
    if not scene.subject.drop_marker(True):
        raise NotPossible("it cannot leave the marker out")
    try:
        request = scene.request()
        sent = scene.send(request)
        words = " ".join((*sent.dropped, *scene.tool.dropped(renewed(request), sent)))
    finally:
        scene.subject.drop_marker(False)
    assert "marker" in words or "found again" in words, f"not said: {words!r}"


@case
def nothing_dropped(scene: Scene) -> None:
    """Reading back an ordinary object finds nothing missing."""
    has(scene, "dropped")
    request = scene.request()
    sent = scene.send(request)
    assert (*sent.dropped, *scene.tool.dropped(renewed(request), sent)) == ()


@case
def unknown_target(scene: Scene) -> None:
    """A target that does not exist is named."""
    if not (target := scene.subject.unknown_target):
        raise NotPossible("its address is the target")
    ended = scene.outcome(scene.request(target=target), at_most=True)
    assert isinstance(ended, Refused | NotSent), f"it ended as {ended!r}"
    assert target in str(ended), f"{target!r} is not named: {ended}"
    scene.holds(0)
