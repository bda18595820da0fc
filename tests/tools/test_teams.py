"""What is peculiar to Teams: an address that is a secret, answers in words, and a message that must stay small."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tools.hostile import hostile
from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.teams import Subject
from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Request, ToolClass
from triage.testing.twins import teams as twins
from triage.tools.egress import Egress
from triage.tools.notifiers import teams
from triage.tools.transport import Transport

SECRET = "sig-of-the-test"  # noqa: S105 - opens nothing


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """A channel without messages."""
    with Subject(tmp_path) as subject:
        yield subject


def asked(there: Subject, **content: object) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), there.target, {**there.content, **content}, 0.0))


@pytest.mark.parametrize(("status", "outcome"), [(429, NotSent), (413, Refused), (500, OutcomeUnknown)])
def test_a_yes_that_means_no(there: Subject, status: int, outcome: type[ToolError]) -> None:
    """A 200 whose words report a delivery that failed is taken for what the words say."""
    there.twin.fails_inside = status
    with pytest.raises(outcome, match=f"HTTP error {status}") as caught:
        there.tool.send(asked(there))
    assert type(caught.value) is outcome


@pytest.mark.parametrize("connector", [False, True])
def test_both_ways_to_say_yes(there: Subject, connector: bool) -> None:
    """A workflow's 202 and a connector's `1` are a yes; the id is ours, as Teams gives none."""
    there.twin.connector = connector
    request = asked(there)
    assert there.tool.send(request).remote_id == f"triage-{request.key[:32]}"
    assert len(there.twin.objects(request.key)) == 1


@pytest.mark.parametrize("text", ["x", '"', "\\", "\U0001f41e", "<at>", "](", "&", "\x01\n"])
def test_no_text_makes_it_too_large(there: Subject, text: str) -> None:
    """Whatever a report says, the message stays below 28 KB and is taken."""
    request = asked(there, title=text * 100_000, link="https://tracker.test/" + "x" * 1_900)
    there.tool.send(request)
    assert len(there.proxy.requests[-1].body) < twins.LARGEST
    assert len(there.twin.objects(request.key)) == 1


def test_only_our_link_becomes_a_button(there: Subject) -> None:
    """A ticket without an address has no button, and hostile text makes none."""
    assert b"Action.OpenUrl" in there.tool.render(asked(there))
    assert b"Action.OpenUrl" not in there.tool.render(asked(there, link="T-1"))
    assert b"Action.OpenUrl" not in there.tool.render(
        asked(there, **{**hostile(there.content), "link": "javascript:1"})
    )


def test_the_address_is_shown_nowhere() -> None:
    """Neither an error nor the settings' own text tells the address, and it may not travel in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/{SECRET}"
    settings = teams.Settings(url=url, timeout=timedelta(seconds=1))
    tool = settings.open("notifier", Transport(egress=Egress(["127.0.0.1"])))
    with pytest.raises(NotSent) as caught:
        tool.send(renewed(Request(fresh_key(), "", {}, 0.0), 1))
    assert SECRET not in f"{caught.value!r} {settings!r}"
    with pytest.raises(InvalidSetting, match="https"):
        teams.Settings(url=f"http://teams.test/{SECRET}").open("notifier", Transport())


def test_a_target_with_its_own_channel(there: Subject) -> None:
    """A target that has an address of its own is told there."""
    tool = there.opened(url=f"{there.proxy.url}/elsewhere", urls={"ui": f"{there.proxy.url}/workflows/bugs"})
    request = renewed(Request(fresh_key(), "ui", there.content, 0.0))
    tool.send(request)
    assert len(there.twin.objects(request.key)) == 1


def test_its_owner_chooses_the_class(there: Subject) -> None:
    """A lost answer waits for a person unless the owner would rather get the same twice."""
    assert there.tool.spec.tool_class is ToolClass.BLIND
    assert there.opened(on_unknown="resend").spec.tool_class is ToolClass.REPEATED
