"""What is peculiar to Request Tracker, against a real one: what it does not know it leaves out or does not find."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pydantic
import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.request_tracker import Subject
from triage import clock
from triage.errors import NotSent
from triage.model import Finding, Request
from triage.tools.trackers.request_tracker import SUBJECT, RequestTracker, Settings


@pytest.fixture(scope="module")
def rt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A new RT."""
    with Subject(tmp_path_factory.mktemp("rt")) as subject:
        yield subject


def asked(rt: Subject) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), rt.target, rt.content, 0.0))


def bad(tool: RequestTracker) -> list[Finding]:
    """The findings of its preflight that are not good."""
    return [finding for finding in tool.preflight(clock.now() + 10) if not finding.good]


def test_an_unknown_field_proves_nothing(rt: Subject) -> None:
    """RT finds nothing by a custom field that it does not know: that is no absence, and the preflight knows."""
    tool = rt.opened(key_field="no_such_field")
    with pytest.raises(NotSent, match="knows no custom field no_such_field"):
        tool.find(asked(rt))
    assert [finding.part for finding in bad(tool)] == ["marker", "marker in General"]
    assert rt.tool.find(asked(rt)) is None


def test_a_merged_ticket_is_found(rt: Subject) -> None:
    """A ticket that a person merged into another is found, not made again."""
    request = asked(rt)
    sent = rt.tool.send(request)
    other = rt.server.ask("POST", "/ticket", {"Queue": "General", "Subject": "Another"})["id"]
    rt.server.ask("PUT", f"/ticket/{sent.remote_id}", {"MergeInto": int(other)})
    assert rt.tool.find(renewed(request)) == sent


def test_a_long_subject_arrives_as_it_was_sent(rt: Subject) -> None:
    """RT cuts subjects to 200 bytes in silence, so they are cut before, visibly."""
    request = asked(rt)
    request = replace(request, content={**request.content, "title": "\N{BUG}" * 200})
    subject = json.loads(rt.tool.render(request))["Subject"]
    assert subject.endswith("…") and len(subject.encode()) <= SUBJECT
    sent = rt.tool.send(request)
    assert rt.server.ticket(int(sent.remote_id))["Subject"] == subject


def test_a_deleted_ticket_is_said_to_be_deleted(rt: Subject) -> None:
    """Reading back what a person deleted says so, though RT still shows it by its id."""
    request = asked(rt)
    sent = rt.tool.send(request)
    rt.delete(sent.remote_id)
    assert rt.tool.dropped(renewed(request), sent) == (f"ticket {sent.remote_id} was deleted there",)


def test_there_is_exactly_one_credential() -> None:
    """A token, or a name with a password; neither both nor half of it, and none is shown."""
    url, secret = "https://rt.test", "very-secret"
    assert secret not in repr(Settings.model_validate({"url": url, "token": secret}))
    assert Settings.model_validate({"url": url, "token": secret}).authorization == f"token {secret}"
    for wrong in ({}, {"user": "bot"}, {"password": secret}, {"user": "bot", "password": secret, "token": secret}):
        with pytest.raises(pydantic.ValidationError, match="set either `token`, or `user` and `password`"):
            Settings.model_validate({"url": url, **wrong})
