"""What is peculiar to GitHub: limits behind a 403, labels dropped in silence, a list that is read by its creator."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tools.scene import Scene, renewed
from tests.tools.subjects.github import Subject
from triage import clock
from triage.errors import InvalidSetting, NotSent, Refused
from triage.model import Finding, Sent
from triage.testing.proxy import Answer
from triage.tools.trackers.common import PAGE

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
IN_90_SECONDS = "1795348890"


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """GitHub as if just started."""
    with Subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def scene(subject: Subject) -> Scene:
    """A fresh key."""
    return Scene.open(subject)


@pytest.mark.parametrize("status", [403, 429])
def test_used_up_limit_waits_until_it_begins_anew(scene: Scene, status: int) -> None:
    """A limit that is used up means nothing was done, and a wait until its reset by GitHub's own clock."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": IN_90_SECONDS, "date": DATE}
    scene.broken(Answer(status, b'{"message": "API rate limit exceeded"}', headers))
    error = scene.fails(scene.request(), NotSent)
    assert isinstance(error, NotSent) and error.retry_after == timedelta(seconds=90)


def test_secondary_limit_in_words_waits_a_minute(scene: Scene) -> None:
    """A secondary limit that only its words tell means nothing was done, and a wait of a minute."""
    words = b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'
    scene.broken(Answer(403, words, {"x-ratelimit-remaining": "4999"}))
    error = scene.fails(scene.request(), NotSent)
    assert isinstance(error, NotSent) and error.retry_after == timedelta(minutes=1)


def test_labels_dropped_without_push_access_are_named(subject: Subject, scene: Scene) -> None:
    """Labels that GitHub drops in silence are named when the issue is read back, and by the preflight before."""
    subject.twin.labels_allowed = False
    request = scene.request()
    sent = scene.send(request)
    assert scene.tool.dropped(request, sent) == tuple(
        f"label '{label}' was left out" for label in ("triage-bot", "ui", "bug")
    )
    assert [finding.part for finding in _bad(scene)] == [f"repository {subject.target}"]


def test_label_that_is_too_long_does_not_cost_the_issue(scene: Scene) -> None:
    """A label of more than 50 characters, for which GitHub would refuse the issue, is left out and named."""
    request = scene.request({**scene.subject.content, "labels": ["x" * 51, "ui"]})
    assert scene.tool.dropped(request, scene.send(request)) == (f"label '{'x' * 51}' was left out",)


def test_unfiltered_list_proves_nothing(subject: Subject, scene: Scene) -> None:
    """A list that ignores whose issues are wanted is no proof that ours is absent, and the preflight says so."""
    subject.twin.filters = False
    with pytest.raises(NotSent, match="issues of others"):
        scene.tool.find(scene.request())
    assert [finding.part for finding in _bad(scene)] == [f"look-up in {subject.target}"]


def test_found_among_many_and_closed(subject: Subject, scene: Scene) -> None:
    """An issue is found on a later page of the list, and although somebody has closed it."""
    request = scene.request()
    sent = scene.send(request)
    subject.twin.issue(sent.remote_id).state = "closed"
    for number in range(2 * PAGE + 1):
        subject.twin.add(f"Another {number}", "", [])
    assert scene.tool.find(renewed(request)) == sent


def test_marker_that_a_report_quotes_inside_its_text_does_not_count(subject: Subject, scene: Scene) -> None:
    """An issue of ours that holds the marker of another one, but not at its end, is not taken for it."""
    subject.twin.add("A copy", f"<!-- triage-run:v1:{scene.key} -->\n\nand more", [])
    assert scene.tool.find(scene.request()) is None


def test_pull_requests_in_the_list_are_skipped(subject: Subject, scene: Scene) -> None:
    """A pull request of ours with a marker, which GitHub lists among the issues, is not taken for an issue."""
    subject.twin.add("A fix", f"<!-- triage-run:v1:{scene.key} -->", [], pull=True)
    assert scene.tool.find(scene.request()) is None


def test_login_is_asked_once_and_not_at_all_for_an_app(subject: Subject, scene: Scene) -> None:
    """Who we are is asked once, and never where `creator` says it, as a GitHub App may not ask."""
    for _ in range(2):
        scene.tool.find(scene.request())
    app = subject.opened(creator=subject.twin.me)
    app.find(scene.request())
    assert [asked.path for asked in subject.proxy.requests].count("/user") == 1


def test_deleted_issue_is_told_when_read_back(subject: Subject, scene: Scene) -> None:
    """An issue that a person has deleted reads back as that, and not as a failure."""
    request = scene.request()
    sent = scene.send(request)
    subject.delete(sent.remote_id)
    assert "deleted" in scene.tool.dropped(request, sent)[0]
    assert "deleted" in scene.tool.dropped(request, Sent("99"))[0]


def test_token_that_no_header_can_carry_is_refused_unshown(subject: Subject) -> None:
    """A token with a line break is a wrong setting, and its error does not show it."""
    with pytest.raises(InvalidSetting) as caught:
        subject.opened(token="ghp_1234\r\nX-Other: 1")  # noqa: S106 - opens nothing
    assert "ghp_1234" not in f"{caught.value!r}"


def test_target_cannot_lead_elsewhere(subject: Subject, scene: Scene) -> None:
    """A target with a path of its own stays one name below the repositories."""
    scene.fails(replace(scene.request(), target="octo/hello/../../user"), Refused)
    assert subject.proxy.requests[-1].path == "/repos/octo%2Fhello%2F..%2F..%2Fuser/issues"


def _bad(scene: Scene) -> list[Finding]:
    return [finding for finding in scene.tool.preflight(clock.now() + 5) if not finding.good]
