"""What is peculiar to Matrix: transaction ids that a server forgets, redactions, threads, its limits."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pydantic
import pytest

from tests.tools import servers
from tests.tools.scene import fresh_key, renewed
from tests.tools.servers.synapse import synapse
from tests.tools.subjects.matrix import TOKEN, MatrixBase, RealSubject, Subject
from triage import clock
from triage.errors import NotSent
from triage.model import Request
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.tools.egress import Egress
from triage.tools.notifiers import matrix
from triage.tools.transport import Transport


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """The twin, with an empty room."""
    with Subject(tmp_path) as subject:
        yield subject


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealSubject]:
    """Synapse, with an empty room."""
    with RealSubject(tmp_path) as subject:
        yield subject


def asked(there: MatrixBase, **content: object) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), there.target, {**there.content, **content}, 0.0))


def limited(tool: Tool, requests: list[Request]) -> NotSent:
    """The error with which a server stops these calls."""
    try:
        for request in requests:
            tool.send(request)
    except NotSent as error:
        return error
    raise AssertionError("there is no limit")


def test_a_forgotten_transaction_id_is_new(there: Subject) -> None:
    """Once the server has forgotten it, the same id makes a second message: hence the window."""
    request = asked(there)
    there.tool.send(request)
    there.twin.window = 0.0
    there.tool.send(renewed(request))
    assert len(there.twin.objects(request.key)) == 2
    assert there.tool.spec.key_window == timedelta(hours=23)


def test_a_redacted_message_stays_the_same(real: RealSubject) -> None:
    """A repeat leads to the message that a person took away, reading it back says so, and none is made again."""
    request = asked(real)
    sent = real.tool.send(request)
    assert real.tool.dropped(renewed(request), sent) == ()
    real.delete(sent.remote_id)
    assert real.tool.send(renewed(request)) == sent
    assert "deleted" in real.tool.dropped(renewed(request), sent)[0]
    assert len(real.server.messages()) == 1


def test_a_reply_stands_in_the_thread(real: RealSubject) -> None:
    """The run's second message belongs to the thread of its first, mentions nobody, and says HTML as HTML."""
    first = real.tool.send(asked(real))
    real.tool.send(asked(real, thread=first.remote_id, title="<b>@room</b>"))
    content = real.server.messages()[0]["content"]
    assert content["m.relates_to"]["event_id"] == first.remote_id
    assert content["m.relates_to"]["rel_type"] == "m.thread"
    assert content["m.mentions"] == {}
    assert "&lt;b&gt;" in content["formatted_body"] and "<b>" not in content["formatted_body"]


def test_a_real_limit(tmp_path: Path) -> None:
    """What Synapse refuses as too often was surely not done, and has a wait."""
    servers.require("synapse")
    subject = Subject(tmp_path)
    with synapse(rate=0.1, burst=1) as server, closing(Transport(egress=Egress(["127.0.0.1"]))) as transport:
        tool = matrix.Settings(url=server.url, token=server.token).open("notifier", transport)
        requests = [renewed(Request(fresh_key(), server.room, subject.content, 0.0)) for _ in range(5)]
        limit = limited(tool, requests)
        assert limit.retry_after and timedelta() < limit.retry_after < timedelta(minutes=1)
        assert len(server.messages()) < len(requests)


def test_a_wait_that_only_the_json_tells(there: Subject) -> None:
    """Servers before 1.10 of the specification say it in milliseconds, and in no header."""
    there.proxy.script(Answer(429, json.dumps({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1_500}).encode()))
    with pytest.raises(NotSent) as caught:
        there.tool.send(asked(there))
    assert caught.value.retry_after == timedelta(seconds=1.5)


def test_a_room_that_was_not_joined(there: Subject) -> None:
    """The preflight names it; a room's alias is refused in the settings."""
    alien = "!alien:triage.test"
    bad = [finding for finding in there.opened(target=alien).preflight(clock.now() + 10) if not finding.good]
    assert [finding.part for finding in bad] == [f"room {alien}"]
    with pytest.raises(pydantic.ValidationError, match="no room's id"):
        matrix.Settings(url="https://matrix.test", token=TOKEN, target="#bugs:matrix.test")
