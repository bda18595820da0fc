"""What is peculiar to Slack: errors with status 200, threads, pages of history, and apps that may not read it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydantic
import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.slack import TOKEN, Subject, says
from triage import clock
from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Finding, Request, ToolClass
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.testing.twins.slack import Message
from triage.tools.notifiers import slack

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """An empty Slack whose history does not lag."""
    with Subject(tmp_path) as subject:
        subject.twin.index_lag = 0.0
        yield subject


def asked(there: Subject, thread: str = "", key: str = "") -> Request:
    """A call with a new key."""
    return renewed(Request(key or fresh_key(), there.target, {**there.content, "thread": thread}, 0.0))


def findings(tool: Tool) -> dict[str, Finding]:
    """By the part that they are about."""
    return {finding.part: finding for finding in tool.preflight(clock.now() + 10)}


def chat(there: Subject, count: int) -> None:
    """So many messages of others."""
    for number in range(count):
        fields = {"text": "hello", "ts": f"{datetime.now(UTC).timestamp():.0f}.9{number:05}"}
        there.twin.messages.append(Message(there.target, fields, ""))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("internal_error", OutcomeUnknown),
        ("fatal_error", OutcomeUnknown),
        ("service_unavailable", OutcomeUnknown),
        ("ratelimited", NotSent),
        ("token_revoked", NotSent),
        ("missing_scope", NotSent),
        ("channel_not_found", Refused),
        ("is_archived", Refused),
        ("invalid_blocks", Refused),
        ("a_word_that_nobody_knows", Refused),
    ],
)
def test_an_error_with_status_200(there: Subject, error: str, outcome: type[ToolError]) -> None:
    """Slack's word decides: a part may be done, nothing is done yet, or a definite no."""
    there.proxy.script(says(error))
    with pytest.raises(outcome, match=error) as caught:
        there.tool.send(asked(there))
    assert type(caught.value) is outcome
    assert there.twin.messages == []


@pytest.mark.parametrize("fields", [{}, {"ok": "true"}, {"ok": False}, {"ok": True}, {"ok": True, "ts": "1.2"}])
def test_neither_yes_nor_no(there: Subject, fields: dict[str, object]) -> None:
    """An answer that does not name the message, or no error, leaves the outcome unknown."""
    there.proxy.script(Answer(200, json.dumps(fields).encode()))
    with pytest.raises(OutcomeUnknown):
        there.tool.send(asked(there))


def test_a_reply_is_found_in_its_thread(there: Subject) -> None:
    """A reply stands below the run's first message, is found there, and the sweep lists both."""
    first, reply = asked(there), asked(there)
    sent = there.tool.send(first)
    reply = replace(reply, content={**reply.content, "thread": sent.remote_id})
    answered = there.tool.send(reply)
    assert there.twin.messages[1].thread == there.twin.messages[0].ts
    assert there.tool.find(renewed(reply)) == answered
    assert there.tool.find(asked(there, sent.remote_id)) is None
    assert there.tool.dropped(renewed(reply), answered) == ()
    listed = [hit.key for hit in there.tool.marked(AN_HOUR_AGO, clock.now() + 10)]
    assert listed == [first.key, reply.key]


def test_a_thread_of_another_channel_is_none(there: Subject) -> None:
    """A first message in another channel cannot be answered here."""
    there.tool.send(asked(there, "C0OPS:1700000000.000001"))
    assert not there.twin.messages[0].thread


def test_found_behind_many_pages(there: Subject) -> None:
    """A message is found however many newer ones there are, up to a bound, and beyond it nothing is concluded."""
    request = asked(there)
    sent = there.tool.send(request)
    there.twin.most = 10
    chat(there, 100)
    assert there.tool.find(renewed(request)) == sent
    assert there.tool.find(asked(there)) is None
    there.twin.most = 1
    with pytest.raises(NotSent, match="pages"):
        there.tool.find(asked(there))


@pytest.mark.parametrize(
    "metadata",
    [
        {"event_type": "of_another_app", "event_payload": {"key": "{key}"}},
        {"event_type": slack.EVENT, "event_payload": {"key": "{key}0"}},
        {"event_type": slack.EVENT, "event_payload": ["{key}"]},
        {"event_type": slack.EVENT, "event_payload": {"note": "{key}"}},
    ],
)
def test_only_our_whole_key_counts(there: Subject, metadata: dict[str, object]) -> None:
    """Metadata that is like ours is not ours."""
    request = asked(there)
    chat(there, 1)
    there.twin.messages[0].fields["metadata"] = json.loads(json.dumps(metadata).replace("{key}", request.key))
    assert there.tool.find(request) is None
    assert not list(there.tool.marked(AN_HOUR_AGO, clock.now() + 10))


def test_what_slack_cut_is_said(there: Subject) -> None:
    """A warning that the text was cut is passed on."""
    warned = {"ok": True, "channel": "C0BUGS", "ts": "1.2", "response_metadata": {"warnings": ["message_truncated"]}}
    there.proxy.script(Answer(200, json.dumps(warned).encode()))
    assert "cut" in there.tool.send(asked(there)).dropped[0]


def test_nobody_is_called_and_nothing_unfolds(there: Subject) -> None:
    """The message asks Slack for no previews and no linked names."""
    fields = json.loads(there.tool.render(asked(there)))
    off = {name: fields[name] for name in ("unfurl_links", "unfurl_media", "link_names", "parse")}
    assert off == {"unfurl_links": False, "unfurl_media": False, "link_names": False, "parse": "none"}


def test_a_channel_goes_by_its_id(there: Subject) -> None:
    """A channel's name is refused: in the settings at once, in a call before anything is sent."""
    with pytest.raises(pydantic.ValidationError, match="no channel's id"):
        slack.Settings(token=TOKEN, routes={"ui": "#ui"})
    with pytest.raises(Refused, match="#ui is no channel's id"):
        there.tool.send(replace(asked(there), target="#ui"))
    assert there.proxy.writes == 0


def test_an_app_that_may_not_read(there: Subject) -> None:
    """The preflight finds it; with `findable` off the class is blind, and the preflight says what that means."""
    assert findings(there.tool)["channel C0BUGS"].good
    there.twin.scopes = {"chat:write"}
    finding = findings(there.tool)["channel C0BUGS"]
    assert not finding.good and "missing_scope" in finding.found and "findable = false" in finding.mend
    blind = there.opened(findable=False)
    assert blind.spec.tool_class is ToolClass.BLIND
    assert "waits for a person" in findings(blind)["marker"].found


def test_an_app_that_may_not_write(there: Subject) -> None:
    """A token without the scope to post is found before the first call."""
    there.twin.scopes = {"channels:history", "channels:read"}
    assert "chat:write" in findings(there.tool)["credentials"].found


def test_where_it_may_post(there: Subject) -> None:
    """The live targets are the channels that the app is in, without those that are archived."""
    assert there.tool.values(clock.now() + 10).targets == {"C0BUGS", "C0OPS"}


def test_an_app_that_is_not_in_the_channel(there: Subject) -> None:
    """The preflight names the channel to which it must be invited."""
    finding = findings(there.opened(target="C0ALIEN"))["channel C0ALIEN"]
    assert not finding.good and "not_in_channel" in finding.found
