"""What is peculiar to GitLab: commands in texts, labels with commas, rights, and a list that is read by its author."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tools.hostile import hostile
from tests.tools.scene import Scene, renewed
from tests.tools.subjects.gitlab import Subject
from triage import clock
from triage.errors import NotSent
from triage.testing.proxy import Answer
from triage.testing.twins.gitlab import NUMBER

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
IN_90_SECONDS = "1795348890"


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """GitLab as if just started."""
    with Subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def scene(subject: Subject) -> Scene:
    """A fresh key."""
    return Scene.open(subject)


def test_limit_without_retry_after(scene: Scene) -> None:
    """A limit that says only when it begins anew is waited for by GitLab's own clock."""
    scene.broken(Answer(429, b"Retry later", {"ratelimit-reset": IN_90_SECONDS, "date": DATE}))
    error = scene.fails(scene.request(), NotSent)
    assert isinstance(error, NotSent) and error.retry_after == timedelta(seconds=90)


def test_commands_in_a_report_are_not_carried_out(subject: Subject, scene: Scene) -> None:
    """Lines of a report that would be commands to GitLab do nothing, and stay readable."""
    sent = scene.send(scene.request(hostile(scene.subject.content)))
    assert subject.twin.issue(sent.remote_id).state == "opened"
    assert "/close" in subject.arrived(sent.remote_id)


def test_label_with_a_comma_stays_one(subject: Subject, scene: Scene) -> None:
    """A label with a comma, which GitLab would part into two, is left out and named."""
    request = scene.request({**scene.subject.content, "labels": ["ui, admin", "bug"]})
    sent = scene.send(request)
    assert subject.twin.issue(sent.remote_id).labels == ["triage-bot", "bug"]
    assert scene.tool.dropped(request, sent) == ("label 'ui, admin' was left out",)


def test_labels_of_a_guest_are_named_as_dropped(subject: Subject, scene: Scene) -> None:
    """Labels that a Guest may not set are named when the issue is read back, and by the preflight before."""
    subject.twin.labels_allowed = False
    request = scene.request()
    assert len(scene.tool.dropped(request, scene.send(request))) == 3
    bad = [finding for finding in scene.tool.preflight(clock.now() + 5) if not finding.good]
    assert [finding.found for finding in bad] == ["our access level is 10, and 20 is needed to label issues"]


def test_unfiltered_list_proves_nothing(subject: Subject, scene: Scene) -> None:
    """A list that ignores whose issues are wanted is no proof that ours is absent."""
    subject.twin.filters = False
    with pytest.raises(NotSent, match="issues of others"):
        scene.tool.find(scene.request())


def test_project_by_its_number(subject: Subject, scene: Scene) -> None:
    """A project may be named by its number, which the values know too."""
    request = replace(scene.request(), target=str(NUMBER))
    sent = scene.send(request)
    assert scene.tool.find(renewed(request)) == sent
    assert str(NUMBER) in (subject.tool.values(clock.now() + 5).targets or ())
