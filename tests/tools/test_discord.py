"""What is peculiar to Discord: a nonce for some minutes, a history that looks empty to those who may not read it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydantic
import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.discord import TOKEN, Subject
from triage import clock
from triage.errors import NotSent, Refused
from triage.model import Request, ToolClass
from triage.testing.proxy import Answer
from triage.tools import marker
from triage.tools.notifiers import discord

FEW = 5


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """An empty Discord whose nonces are kept and whose history does not lag."""
    with Subject(tmp_path) as subject:
        subject.twin.index_lag, subject.twin.nonce_window = 0.0, 120.0
        yield subject


def asked(there: Subject, **content: object) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), there.target, {**there.content, **content}, 0.0))


def test_the_nonce_makes_a_repeat_the_same_message(there: Subject) -> None:
    """Within the window the same call returns the first message, also for a tool that could be asked."""
    request = asked(there)
    assert there.tool.send(request) == there.tool.send(renewed(request))
    assert len(there.twin.objects(request.key)) == 1


def test_after_the_window_a_repeat_is_a_second_message(there: Subject) -> None:
    """The nonce alone does not last, which is why the class without a history is windowed."""
    request = asked(there)
    there.tool.send(request)
    there.twin.nonce_window = 0.0
    there.tool.send(renewed(request))
    assert len(there.twin.objects(request.key)) == 2
    assert there.opened(findable=False).spec.tool_class is ToolClass.WINDOWED


def test_an_empty_history_is_no_proof(there: Subject) -> None:
    """Without the right to read, Discord shows nothing at all: that is not taken for absent."""
    request = asked(there)
    assert there.tool.find(request) is None
    there.tool.send(request)
    there.twin.may_read = False
    with pytest.raises(NotSent, match="Read Message History"):
        there.tool.find(renewed(request))
    bad = [finding for finding in there.tool.preflight(clock.now() + 10) if not finding.good]
    assert [finding.part for finding in bad] == ["channel 111"]


def test_found_behind_other_messages(there: Subject) -> None:
    """A message is found behind pages of newer ones, and absence is only said when all were seen."""
    request = asked(there)
    sent = there.tool.send(request)
    for _ in range(discord.PAGE + FEW):
        there.tool.send(asked(there))
    there.proxy.reset()
    assert there.tool.find(renewed(request)) == sent
    assert len(there.proxy.requests) == 2
    assert there.tool.find(asked(there)) is None


def test_too_old_to_look_for(there: Subject) -> None:
    """The look-up ends at the age that is set, and lists nothing that is older."""
    there.tool.send(asked(there))
    assert list(there.tool.marked(datetime.now(UTC) - timedelta(minutes=1), clock.now() + 10))
    assert not list(there.tool.marked(datetime.now(UTC) + timedelta(minutes=1), clock.now() + 10))


@pytest.mark.parametrize(("asks", "wait"), [(0.25, 0.25), (7, 7.0), (1e9, 3_600.0), ("soon", 3.0), (float("nan"), 3.0)])
def test_the_wait_stands_in_the_json(there: Subject, asks: object, wait: float) -> None:
    """Discord's fractions of a second win over the header, which counts where the JSON says nothing of use."""
    body = json.dumps({"message": "You are being rate limited.", "retry_after": asks, "global": False}).encode()
    there.proxy.script(Answer(429, body, {"retry-after": "3"}))
    with pytest.raises(NotSent) as caught:
        there.tool.send(asked(there))
    assert caught.value.retry_after == timedelta(seconds=wait)


def test_the_bot_says_who_it_is(there: Subject) -> None:
    """Discord gets the user agent that it asks bots for, and no other."""
    there.tool.send(asked(there))
    assert there.proxy.requests[-1].headers["user-agent"].startswith("DiscordBot (")


def test_nobody_is_called(there: Subject) -> None:
    """The message allows no mention, not even of whom it answers, and enforces a nonce of 25 characters."""
    request = asked(there, thread="42")
    fields = json.loads(there.tool.render(request))
    assert fields["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert fields["message_reference"] == {"message_id": "42", "fail_if_not_exists": False}
    assert fields["nonce"] == marker.nonce(request.key) and len(fields["nonce"]) == 25 and fields["enforce_nonce"]


def test_a_channel_goes_by_its_id(there: Subject) -> None:
    """A channel's name is refused: in the settings at once, in a call before anything is sent."""
    with pytest.raises(pydantic.ValidationError, match="no channel's id"):
        discord.Settings(token=TOKEN, target="bugs")
    with pytest.raises(Refused, match="no channel's id"):
        there.tool.send(replace(asked(there), target="../guilds"))
    assert there.proxy.writes == 0


def test_a_call_must_end_within_the_nonce(there: Subject) -> None:
    """Where only the nonce helps, a call may not take as long as it lasts."""
    with pytest.raises(pydantic.ValidationError, match="two minutes"):
        there.opened(findable=False, timeout=discord.NONCE_WINDOW)
