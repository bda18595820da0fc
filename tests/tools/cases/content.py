"""Cases of drafts that are too much for the other system: invented, oversized, hostile."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.tools.cases.registry import case, only
from tests.tools.hostile import FORGED_KEYS, alive, hostile
from tests.tools.scene import PATIENCE, Scene, fresh_key, renewed
from triage import clock
from triage.errors import Refused
from triage.model import Sent, ToolClass
from triage.tools.adapter import Adapter

MANY, FEW = 60, 3
"""Neighbours; real servers are slow."""
ALPHABETS = {"ASCII": "a", "emoji": "\U0001f41e", "CJK": "虫", "combining": "e\u0301"}
CUT = re.compile(r"\[cut: |…")


@case
def invented(scene: Scene) -> None:
    """Labels and values that do not exist there are refused, or named as dropped; never lost silently."""
    draft = scene.subject.invented()
    request = scene.request(draft)
    made_up = [leaf for leaf in _leaves(draft) if leaf not in _leaves(scene.subject.content)]
    assert made_up, "the draft invents nothing"
    sent = scene.outcome(request, at_most=True)
    if isinstance(sent, Refused):
        assert str(sent)
        scene.holds(0)
        return
    assert isinstance(sent, Sent), f"it ended as {sent!r}"
    words = " ".join((*sent.dropped, *scene.tool.dropped(renewed(request), sent)))
    told = f"{words} {scene.arrived(sent) if hasattr(scene.subject, 'arrived') else ''}".casefold()
    lost = [value for value in made_up if value.casefold() not in told]
    assert not lost, f"lost without a word: {lost}; said: {words!r}"


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict | list | tuple):
        inside = value.values() if isinstance(value, dict) else value
        return [leaf for item in inside for leaf in _leaves(item)]
    return [str(value)]


@case
def oversized(scene: Scene) -> None:
    """A title of 10,000 and a body of 2 million characters arrive cut to the system's size, visibly."""
    for alphabet, char in ALPHABETS.items():
        title, text = (char * count for count in (10_000, 2_000_000))
        request = replace(scene.request({**scene.subject.content, "title": title, "text": text}), key=fresh_key())
        sent = scene.send(request)
        assert len(scene.subject.objects(request.key)) == 1, f"{alphabet}: not one object"
        arrived = scene.arrived(sent)
        assert len(arrived) < len(text), f"{alphabet}: nothing was cut"
        assert CUT.search(arrived), f"{alphabet}: the cut is not said: {arrived[-300:]!r}"
        if scene.kind is ToolClass.FINDABLE:
            assert scene.found(request) == replace(sent, dropped=()), f"{alphabet}: not found afterwards"


@case
def large_neighbours(scene: Scene) -> None:
    """An object is found among many that are as large as they can be: others' reports cannot hide it."""
    only(scene, ToolClass.FINDABLE)
    request = scene.request()
    sent = scene.send(request)
    large = {**scene.subject.content, "text": "\U0001f41e" * 100_000}
    for _ in range(FEW if scene.subject.against.startswith("real") else MANY):
        scene.send(replace(scene.request(large), key=fresh_key()))
    found = scene.found(request)
    assert found is not None and found.remote_id == sent.remote_id
    if type(scene.tool).marked is not Adapter.marked:
        assert scene.marked(), "the sweep does not get through"


@case
def hostile_text(scene: Scene) -> None:
    """Text that attacks the reader or our marker arrives inert."""
    request = scene.request(hostile(scene.subject.content))
    sent = scene.send(request)
    arrived = scene.arrived(sent)
    scene.holds(1)
    for key in FORGED_KEYS:
        if scene.kind is ToolClass.FINDABLE:
            assert scene.tool.find(replace(scene.request(), key=key)) is None, "a forged key was found"
    if scene.kind is ToolClass.FINDABLE:
        assert scene.found(request), "our own key was not found"
    listed = {hit.key for hit in scene.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + PATIENCE)}
    assert not listed & set(FORGED_KEYS), "the sweep took a forged key for ours"
    found = list(alive(scene.subject.kind, arrived, scene.trait("dangers")))
    assert not found, f"still alive: {found} in {arrived[:3000]!r}"
