"""The cases by name, how one is played, and where one cannot be."""

import re
from collections.abc import Callable
from typing import TypeAlias

from tests.tools.scene import NotPossible, Scene, Subject
from triage.model import ToolClass
from triage.testing.proxy import Exchange
from triage.tools.adapter import Adapter

Case: TypeAlias = Callable[[Scene], None]
READS = {"GET", "HEAD", "PROPFIND", "REPORT"}
QUESTIONS = re.compile(r"/_apis/wit/wiql\?|/issue/bulkfetch$|/rest/api/[23]/search(/jql)?$")
"""Paths of the POST requests of other systems that only ask."""
CASES: dict[str, Case] = {}


def case(check: Case) -> Case:
    """Enter a case under its name in words."""
    CASES[check.__name__.replace("_", " ")] = check
    return check


def play(subject: Subject, name: str) -> None:
    """Play one case; raises `NotPossible` with the reason where it cannot be played, AssertionError if it failed."""
    scene = Scene.open(subject)
    if reason := scene.trait("impossible").get(name):
        raise NotPossible(reason)
    CASES[name](scene)
    assert not subject.proxy.unmet, "a scripted fault was never met"
    strays = [each for each in subject.proxy.requests if not (each.write or each.method in READS or _asks(each))]
    assert not strays, f"not counted, though it may change something: {strays}"


def _asks(exchange: Exchange) -> bool:
    """Whether a request that could change something is known to be a question."""
    return QUESTIONS.search(exchange.path) is not None or exchange.body.startswith(b'{"query":"query ')


def has(scene: Scene, method: str) -> None:
    """Only adapters with a method of their own play the case."""
    if getattr(type(scene.tool), method, None) is getattr(Adapter, method):
        raise NotPossible(f"the tool has no `{method}`")


def only(scene: Scene, *kinds: ToolClass) -> None:
    """Only adapters of these classes play the case."""
    if scene.kind not in kinds:
        raise NotPossible(f"it is {scene.kind}")


def http(scene: Scene) -> None:
    """Only adapters of systems that speak HTTP play the case."""
    if not scene.trait("http"):
        raise NotPossible("it does not speak HTTP")
