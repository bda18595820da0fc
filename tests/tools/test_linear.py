"""What is peculiar to Linear: an id of our own that is taken for good, and errors that come with status 200 or 400."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.tools.scene import Scene, fresh_key, renewed
from tests.tools.subjects.linear import Subject
from triage import clock
from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.testing.proxy import Answer
from triage.testing.twins.linear import TEAM, Issue
from triage.tools import marker

DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
IN_90_SECONDS = "1795348890000"
HOUR = timedelta(hours=1)


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """Linear as if just started."""
    with Subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def scene(subject: Subject) -> Scene:
    """A fresh key."""
    return Scene.open(subject)


def failing(code: str, status: int, message: str = "It went wrong", **headers: str) -> Answer:
    """An answer with one error."""
    body = {"errors": [{"message": message, "extensions": {"code": code}}], "data": None}
    return Answer(status, json.dumps(body).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RATELIMITED", NotSent),
        ("AUTHENTICATION_ERROR", NotSent),
        ("INPUT_ERROR", Refused),
        ("GRAPHQL_VALIDATION_FAILED", Refused),
        ("FORBIDDEN", Refused),
        ("INTERNAL_SERVER_ERROR", OutcomeUnknown),
        ("LOCK_TIMEOUT", OutcomeUnknown),
        ("A_CODE_OF_TOMORROW", OutcomeUnknown),
    ],
)
def test_errors_by_their_code(scene: Scene, status: int, code: str, error: type[ToolError]) -> None:
    """What an error means is told by its code and not by the status; a code that nobody knows proves nothing."""
    scene.broken(failing(code, status))
    scene.fails(scene.request(), error)


def test_several_errors_are_as_definite_as_the_least(scene: Scene) -> None:
    """A definite error beside one that proves nothing leaves the outcome unknown."""
    errors = [{"message": "no", "extensions": {"code": code}} for code in ("INPUT_ERROR", "INTERNAL_SERVER_ERROR")]
    scene.broken(Answer(200, json.dumps({"errors": errors}).encode()))
    scene.fails(scene.request(), OutcomeUnknown)


def test_limit_waits_for_what_is_used_up(scene: Scene) -> None:
    """Of several limits the one that is used up is waited for, in milliseconds and by Linear's own clock."""
    used = {"x_ratelimit_requests_remaining": "0", "x_ratelimit_requests_reset": IN_90_SECONDS, "date": DATE}
    unused = {"x_ratelimit_complexity_remaining": "9", "x_ratelimit_complexity_reset": "1799999999999"}
    scene.broken(failing("RATELIMITED", 400, **used, **unused))
    error = scene.fails(scene.request(), NotSent)
    assert isinstance(error, NotSent) and error.retry_after == timedelta(seconds=90)


def test_deleted_and_purged_issues_are_not_made_again(subject: Subject, scene: Scene) -> None:
    """An issue that a person deleted keeps its id taken, in the trash and after it: it is told and not made again."""
    request = scene.request()
    subject.delete(scene.send(request).remote_id)
    assert scene.send(renewed(request)).dropped == ("the issue was deleted there",)
    subject.twin.purges = True
    again = scene.send(renewed(request))
    assert again.remote_id == marker.uuid4(scene.key) and "deleted" in again.dropped[0]
    assert "deleted" in scene.tool.dropped(renewed(request), again)[0]
    scene.holds(0)


def test_existing_issue_that_cannot_be_read_leaves_the_outcome_unknown(subject: Subject, scene: Scene) -> None:
    """An issue that exists and cannot be read is neither confirmed nor said to be unsent."""
    request = scene.request()
    scene.send(request)
    subject.proxy.script("500_before", reads=True)
    scene.fails(renewed(request), OutcomeUnknown)


def test_text_changed_by_people_still_is_ours(subject: Subject, scene: Scene) -> None:
    """An issue with our id whose text a person has rewritten is ours; one with another key in it is not."""
    request = scene.request()
    sent = scene.send(request)
    subject.twin.issues[-1].fields["description"] = "rewritten"
    assert scene.send(renewed(request)) == sent
    subject.twin.issues[-1].fields["description"] = marker.line(fresh_key())
    scene.fails(renewed(request), Refused)


def test_labels_without_an_id_are_named_as_dropped(subject: Subject, scene: Scene) -> None:
    """A label whose id is not set is left out and named, and only ids that exist there are offered as values."""
    request = scene.request({**scene.subject.content, "labels": ["UI", "nobody-knows"]})
    assert scene.tool.dropped(request, scene.send(request)) == ("label 'nobody-knows' was left out",)
    assert subject.tool.values(clock.now() + 5).labels == {"ui", "bug"}


def test_copies_are_not_swept(subject: Subject, scene: Scene) -> None:
    """A copy that a person made of an issue carries its marker but not its id, and is no second one of ours."""
    sent = scene.send(scene.request())
    ours = subject.twin.issues[-1]
    subject.twin.issues.append(Issue(77, {**ours.fields, "id": marker.uuid4(fresh_key())}, ""))
    assert [hit.remote_id for hit in scene.tool.marked(datetime.now(UTC) - HOUR, clock.now() + 5)] == [sent.remote_id]


def test_preflight_names_the_ids_of_teams(subject: Subject) -> None:
    """A target that is no team's id is answered with the ids there are."""
    tool = subject.opened(target="ENG")
    bad = [finding for finding in tool.preflight(clock.now() + 5) if not finding.good]
    assert [finding.found for finding in bad] == [f"there is no team ENG; ENG is {TEAM}"]


def test_api_key_stands_alone(subject: Subject, scene: Scene) -> None:
    """An API key is sent without the word that OAuth's tokens need."""
    scene.send(scene.request())
    key = subject.proxy.requests[-1].headers["authorization"]
    with pytest.raises(NotSent):
        subject.opened(oauth=True).send(scene.request())
    assert subject.proxy.requests[-1].headers["authorization"] == f"Bearer {key}"
