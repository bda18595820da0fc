"""What is peculiar to Redmine, against a real one: filters and fields that it does not know are left out silently."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.tools.scene import fresh_key, renewed, says
from tests.tools.subjects.redmine import Subject
from triage import clock
from triage.errors import NotSent, Refused
from triage.model import Finding, Request
from triage.tools.trackers.redmine import Redmine

NO_FIELD = 77


@pytest.fixture(scope="module")
def redmine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A Redmine with one issue of somebody else."""
    with Subject(tmp_path_factory.mktemp("redmine")) as subject:
        subject.server.ask("POST", "/issues.json", {"issue": {"project_id": "triage", "subject": "Another"}})
        yield subject


def asked(redmine: Subject) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), redmine.target, redmine.content, 0.0))


def bad(tool: Redmine) -> list[Finding]:
    """The findings of its preflight that are not good."""
    return [finding for finding in tool.preflight(clock.now() + 10) if not finding.good]


def test_an_unknown_filter_proves_nothing(redmine: Subject) -> None:
    """Redmine answers an unknown filter with every issue: neither a hit nor a proof of absence, and preflight knows."""
    tool = redmine.opened(key_field=NO_FIELD)
    with pytest.raises(NotSent, match="does not filter by custom field 77"):
        tool.find(asked(redmine))
    absence, marker = bad(tool)
    assert "the filter is not applied" in absence.found
    assert "the project triage do not have 77" in marker.found
    assert redmine.tool.find(asked(redmine)) is None


def test_nobody_sees_nothing(redmine: Subject) -> None:
    """An empty answer means "absent" only if Redmine then still knows who we are."""
    redmine.proxy.script("none", says(401), reads=True)
    with pytest.raises(NotSent, match="401"):
        redmine.tool.find(asked(redmine))


def test_closed_and_moved_issues_are_found(redmine: Subject) -> None:
    """An issue is found after it was closed, and whatever project the request names."""
    request = asked(redmine)
    sent = redmine.tool.send(request)
    redmine.server.close(int(sent.remote_id))
    assert redmine.tool.find(renewed(request)) == sent
    assert redmine.tool.find(replace(renewed(request), target=redmine.server.unmarked)) == sent


def test_an_unknown_tracker_is_missed_when_read_back(redmine: Subject) -> None:
    """Redmine takes another tracker for one that it does not know; that is said, and the preflight warns."""
    tool = redmine.opened(tracker=99)
    request = asked(redmine)
    sent = tool.send(request)
    assert tool.dropped(renewed(request), sent) == ("tracker 99 was left out",)
    assert [finding.part for finding in bad(tool)] == ["marker in triage"]


def test_refusals_are_in_redmines_words(redmine: Subject) -> None:
    """An unknown priority makes nothing, and the refusal says what Redmine said, and where."""
    request = asked(redmine)
    with pytest.raises(Refused, match="in triage: Priority cannot be blank"):
        redmine.opened(priorities={"high": 99}).send(request)
    assert redmine.objects(request.key) == []


def test_a_deleted_issue_is_said_to_be_deleted(redmine: Subject) -> None:
    """Reading back what a person deleted says so."""
    request = asked(redmine)
    sent = redmine.tool.send(request)
    redmine.delete(sent.remote_id)
    assert redmine.tool.dropped(renewed(request), sent) == (
        f"issue {sent.remote_id} was deleted there, or it is hidden from us",
    )


def test_the_key_is_shown_nowhere(redmine: Subject) -> None:
    """Neither settings nor the tool show the API key."""
    shown = f"{redmine.tool!r} {redmine.tool.spec!r} {redmine.tool._settings!r}"
    assert redmine.server.api_key not in shown
