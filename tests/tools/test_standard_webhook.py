"""What is peculiar to Standard Webhooks: a signature, an id that stays, and 410."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.standard_webhook import SECRET, Subject
from triage.errors import InvalidSetting, NotSent, Refused
from triage.model import Request, Stage


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """A receiver that has received nothing."""
    with Subject(tmp_path) as subject:
        yield subject


def asked(there: Subject, **content: object) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), "ui", {**there.content, **content}, 0.0, stage=Stage.NOTIFY))


def of(size: int) -> str:
    """A secret of so many bytes."""
    return "whsec_" + base64.b64encode(b"x" * size).decode()


def test_the_receiver_accepts_the_signature(there: Subject) -> None:
    """What is signed is what the specification says, in any characters; a wrong secret is not accepted."""
    request = asked(there, title="Ünïcode \U0001f41e \u2028 \x01")
    there.tool.send(request)
    said = json.loads(there.twin.deliveries[0].body)
    assert said["type"] == "triage.notice"
    assert said["data"] == {**request.content, "key": request.key, "target": "ui"}
    with pytest.raises(NotSent, match="credentials"):
        there.opened(secret=of(32)).send(renewed(request))
    assert len(there.twin.deliveries) == 1


def test_the_id_stays(there: Subject) -> None:
    """A receiver that filters by `webhook-id` keeps one of two calls; content cannot replace the key."""
    there.twin.filters = True
    request = asked(there, key="of-another", target="of-another")
    assert there.tool.send(request) == there.tool.send(renewed(request))
    assert [one.id for one in there.twin.deliveries] == [f"triage-{request.key[:32]}"]
    assert len(there.twin.objects(request.key)) == 1


def test_gone_is_for_good(there: Subject) -> None:
    """A receiver that answers 410 wants nothing any more."""
    with pytest.raises(Refused, match="410"):
        there.opened(urls={"ui": f"{there.proxy.url}/gone"}).send(asked(there))


@pytest.mark.parametrize(
    "secret", ["", "opens-nothing", SECRET.removeprefix("whsec_"), of(23), of(65), f"{SECRET}!", "whsec_ü"]
)
def test_a_secret_that_is_none(there: Subject, secret: str) -> None:
    """A secret that the specification does not allow stops the start, and is not shown."""
    with pytest.raises(InvalidSetting, match="whsec_ and 24 to 64 bytes") as caught:
        there.opened(secret=secret)
    assert not secret or secret not in str(caught.value)
