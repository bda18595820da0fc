"""What is peculiar to PagerDuty: a key that lasts while the alert is open, and a secret inside the body."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.tools.scene import fresh_key, renewed
from tests.tools.subjects.pagerduty import ROUTING_KEY, Subject
from triage import clock
from triage.errors import NotSent, OutcomeUnknown
from triage.model import Request, ToolClass
from triage.testing.proxy import Answer


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Subject]:
    """A service without alerts."""
    with Subject(tmp_path) as subject:
        yield subject


def asked(there: Subject, **content: object) -> Request:
    """A call with a new key."""
    return renewed(Request(fresh_key(), there.target, {**there.content, **content}, 0.0))


def test_a_repeat_joins_the_open_alert(there: Subject) -> None:
    """While the alert is open a repeat is noted in it; once it is resolved the same key opens a second one."""
    request = asked(there)
    sent = there.tool.send(request)
    assert there.tool.send(renewed(request)) == sent
    assert [alert.triggers for alert in there.twin.alerts] == [2]
    there.twin.delete(sent.remote_id)
    there.tool.send(renewed(request))
    assert len(there.twin.objects(request.key)) == 2


def test_the_key_is_trusted_for_a_short_time(there: Subject) -> None:
    """The window is shorter than the settings' bound of a day, and longer than a call."""
    spec = there.tool.spec
    assert spec.tool_class is ToolClass.WINDOWED
    assert spec.key_window == timedelta(minutes=15)
    with pytest.raises(ValueError, match="below `key_window`"):
        there.opened(key_window=spec.timeout)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("critical", "critical"), ("high", "error"), ("medium", "warning"), ("low", "info"), ("odd", "warning")],
)
def test_severities(there: Subject, ours: str, theirs: str) -> None:
    """Each severity has its own among PagerDuty's four."""
    there.tool.send(asked(there, severity=ours))
    assert there.twin.alerts[0].event["payload"]["severity"] == theirs


def test_the_integration_key_is_shown_nowhere(there: Subject) -> None:
    """What is rendered is what is sent, but for the integration key."""
    request = asked(there)
    there.tool.send(request)
    rendered, sent = there.tool.render(request).decode(), there.proxy.requests[-1].body.decode()
    assert ROUTING_KEY not in rendered
    assert json.loads(sent) == {**json.loads(rendered), "routing_key": ROUTING_KEY}
    assert ROUTING_KEY not in repr(there.tool.spec)


def test_a_wrong_key_can_be_mended_and_is_not_shown(there: Subject) -> None:
    """A key that is not accepted means that nothing was sent, in PagerDuty's words and without the key."""
    wrong = "f" * 32
    tool = there.opened(tokens={"oncall": wrong})
    with pytest.raises(NotSent, match="Invalid routing key") as caught:
        tool.send(asked(there))
    assert wrong not in str(caught.value)


@pytest.mark.parametrize("fields", [{"status": "success"}, {"status": "success", "dedup_key": "of-another"}, {}])
def test_not_confirmed(there: Subject, fields: dict[str, str]) -> None:
    """An answer that does not name our key leaves the outcome unknown."""
    there.proxy.script(Answer(202, json.dumps(fields).encode()))
    with pytest.raises(OutcomeUnknown):
        there.tool.send(asked(there))


def test_a_key_that_looks_wrong_is_found(there: Subject) -> None:
    """The preflight tells a key that was cut; nothing is triggered for that."""
    bad = [finding.part for finding in there.imposter().preflight(clock.now() + 10) if not finding.good]
    assert bad == ["credentials token"]
    assert there.proxy.writes == 0
