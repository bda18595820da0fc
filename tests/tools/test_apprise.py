"""What is peculiar to Apprise: one transmission and no more, and a connection that nobody checks."""

from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.apprise import Subject
from triage.errors import InvalidSetting, NotSent, OutcomeUnknown
from triage.model import Request
from triage.testing.proxy import Answer

SECRET = "password-of-the-test"  # noqa: S105 - opens nothing


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """A receiver that has received nothing."""
    with Subject(tmp_path) as subject:
        yield subject


def asked(there: Subject) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), "", there.content, 0.0))


def test_it_must_be_wanted(there: Subject) -> None:
    """Without the leave to pass by the egress check there is no such tool."""
    with pytest.raises(pydantic.ValidationError, match="unchecked_egress"):
        there.opened(unchecked_egress=False)


@pytest.mark.parametrize(
    "url",
    [
        f"json://user:{SECRET}@localhost/?retry=2",
        f"mailto://user:{SECRET}@mail.test?to=a@mail.test,b@mail.test&batch=no&mode=ssl",
        f"nothing://user:{SECRET}@localhost",
        SECRET,
        "",
    ],
)
def test_an_address_that_is_not_one_transmission(there: Subject, url: str) -> None:
    """An address that repeats, has several receivers, or is none stops the start, and is not shown."""
    with pytest.raises(InvalidSetting) as caught:
        there.opened(url=url)
    assert SECRET not in str(caught.value)


def test_a_no_is_unknown(there: Subject) -> None:
    """Even a plain refusal of the receiver leaves the outcome unknown, as Apprise does not pass it on."""
    there.proxy.script(Answer(400, b""))
    with pytest.raises(OutcomeUnknown):
        there.tool.send(asked(there))
    assert there.proxy.writes == 1


def test_a_redirect_is_not_followed(there: Subject) -> None:
    """The text does not travel on to where an answer points."""
    there.proxy.script(Answer(307, b"", {"location": f"{there.proxy.url}/hook"}))
    with pytest.raises(OutcomeUnknown):
        there.tool.send(asked(there))
    assert there.twin.deliveries == []


def test_too_late_to_begin(there: Subject) -> None:
    """After the deadline nothing is handed over."""
    with pytest.raises(NotSent):
        there.tool.send(renewed(asked(there), -1))
    assert there.proxy.writes == 0
