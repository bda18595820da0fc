"""What is peculiar to comments: whose they are, on which ticket, and what a ticket that is gone means."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tools.scene import Scene, renewed
from tests.tools.subjects import github, gitlab, jira_cloud, jira_dc
from triage.errors import NotSent, Refused
from triage.tools import marker
from triage.tools.trackers.comments import Comments
from triage.tools.trackers.common import PAGE

SUBJECTS = {"github": github, "gitlab": gitlab, "jira-cloud": jira_cloud, "jira-dc": jira_dc}


@pytest.fixture(params=SUBJECTS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Each tracker with its first ticket, which has no comments."""
    with SUBJECTS[request.param].CommentSubject(tmp_path) as subject:
        yield Scene.open(subject)


def say(scene: Scene, text: str, author: str) -> None:
    """Let somebody comment on the ticket."""
    twin: Any = scene.subject.twin  # type: ignore[attr-defined]
    if isinstance(scene.subject, jira_cloud.CommentBase):
        document = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
        written = {"type": "doc", "version": 1, "content": [document]} if twin.version == "3" else text
        twin.comments.add("OPS-1", written, author)
    else:
        twin.comment(twin.issues[0], text, author)


def test_a_comment_of_somebody_else_is_not_ours(scene: Scene) -> None:
    """Somebody who copies our comment with its marker has not made ours."""
    for ending in (marker.comment(scene.key), marker.line(scene.key)):
        say(scene, f"see below\n{ending}", "2")
    assert scene.tool.find(scene.request()) is None
    sent = scene.send(scene.request())
    assert scene.tool.find(scene.request()) == sent


def test_a_marker_inside_the_text_does_not_count(scene: Scene) -> None:
    """Only what ends with a marker carries it."""
    us = scene.send(scene.request())
    other = replace(scene.request(), key="1" * 64)
    assert us
    for quoted in (marker.comment("1" * 64), marker.line("1" * 64)):
        say(scene, f"{quoted}\nand more", getattr(scene.subject.twin, "me", "5b10a2844c20165700ede21g"))  # type: ignore[attr-defined]
    assert scene.tool.find(other) is None


def test_found_among_many(scene: Scene) -> None:
    """A comment is found on a later page of its ticket's comments."""
    request = scene.request()
    sent = scene.send(request)
    for number in range(2 * PAGE + 1):
        say(scene, f"me too {number}", "2")
    assert scene.tool.find(renewed(request)) == sent


def test_a_deleted_ticket_proves_nothing(scene: Scene) -> None:
    """Where the ticket is gone a new comment is refused, but nobody can say whether an earlier one was made."""
    request = scene.request()
    sent = scene.send(request)
    twin: Any = scene.subject.twin  # type: ignore[attr-defined]
    twin.delete("OPS-1" if isinstance(scene.subject, jira_cloud.CommentBase) else "1")
    with pytest.raises(NotSent):
        scene.tool.find(renewed(request))
    assert "deleted" in scene.tool.dropped(renewed(request), sent)[0]
    refused = scene.fails(replace(scene.request(), key="2" * 64), Refused)
    assert scene.subject.target in str(refused)


@pytest.mark.parametrize("ticket", ["dry-run", "1/../2", "", "1?x=1"])
def test_what_is_no_ticket_is_not_asked_for(scene: Scene, ticket: str) -> None:
    """A dry run's ticket, or one that would lead elsewhere, is refused before anything is asked."""
    place = scene.subject.target.partition("#")[0]
    scene.fails(scene.request(target=f"{place}#{ticket}"), Refused, at_most=True)
    assert scene.writes() == []


def test_links_lead_into_the_ticket(scene: Scene) -> None:
    """A comment's link is its ticket's with an anchor, where the system gives it none of its own."""
    sent = scene.send(scene.request())
    assert sent.remote_id in sent.remote_url and sent.remote_url.startswith("https://")


def test_commenting_tools_stand_beside_their_trackers(scene: Scene) -> None:
    """A commenting tool has its tracker's class, times and limits under a name of its own, and says beside which."""
    comments = scene.tool.spec
    tracker: Any = comments_of(scene)
    assert replace(comments, name="tracker", beside="") == tracker.spec
    assert (comments.name, comments.beside) == ("comment", "tracker")


def comments_of(scene: Scene) -> object:
    """The tool that files the tickets."""
    assert isinstance(scene.tool, Comments)
    return scene.tool._tracker
