"""Microsoft Graph: what is asked for, the look into the slot, used transaction ids, and tokens."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from tests.tools.subjects.caldav import EVENT
from tests.tools.subjects.microsoft_graph import Subject
from triage import clock
from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Json, Request

KEY = sha256(b"one").hexdigest()


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """An empty calendar."""
    with Subject(tmp_path) as subject:
        yield subject


def request(content: Json | None = None, key: str = KEY) -> Request:
    """An event."""
    return Request(key, Subject.target, EVENT if content is None else content, clock.now() + 5)


def test_an_event_is_a_private_hold(subject: Subject) -> None:
    """It blocks time, is private, reminds once; people are named in the text, as Graph would mail every attendee."""
    subject.tool.send(request())
    fields = subject.twin.stored[0].sent
    assert (fields["sensitivity"], fields["showAs"], fields["reminderMinutesBeforeStart"]) == ("private", "busy", 10)
    assert fields["start"] == {"dateTime": "2031-03-30T08:00:00", "timeZone": "UTC"}
    assert UUID(fields["transactionId"]).version == 4
    assert "attendees" not in fields and all(one in fields["body"]["content"] for one in EVENT["attendees"])
    assert subject.twin.mailed == []


def test_invitations_are_asked_for(subject: Subject) -> None:
    """With `invite` they are attendees, who are mailed."""
    tool = subject.opened(invite=True)
    sent = tool.send(request())
    assert subject.twin.mailed == EVENT["attendees"]
    assert tool.dropped(request(), sent) == ()


def test_a_repeat_is_the_same_event(subject: Subject) -> None:
    """The transaction id also helps where the look-up was too early."""
    first = subject.tool.send(request())
    assert subject.tool.send(request()) == first
    assert len(subject.twin.stored) == 1


def test_a_used_transaction_id_leads_to_its_event(subject: Subject) -> None:
    """If Graph says that it was used for another event, that one is looked for in the slot."""
    first = subject.tool.send(request())
    subject.twin.stored[0].sent["subject"] = "changed by a person"
    assert subject.tool.send(request()) == first


def test_a_used_transaction_id_without_its_event_is_refused(subject: Subject) -> None:
    """What a person deleted is not made again, and the words say so."""
    subject.twin.delete(subject.tool.send(request()).remote_id)
    with pytest.raises(Refused, match="deleted or moved"):
        subject.tool.send(request())
    subject.proxy.script("500_before", reads=True)
    with pytest.raises(OutcomeUnknown):
        subject.tool.send(request())


@pytest.mark.parametrize(
    ("start", "found"), [("2031-03-30T20:00:00", True), ("2031-03-29T09:00:00", True), ("2031-05-01T08:00:00", False)]
)
def test_an_event_is_found_near_its_slot(subject: Subject, start: str, found: bool) -> None:
    """Also if a person moved it by some hours, and among many others, page by page."""
    sent = subject.tool.send(request())
    subject.twin.move(sent.remote_id, start)
    for number in range(5):
        subject.tool.send(request(key=sha256(bytes([number])).hexdigest()))
    subject.twin.stored.reverse()
    subject.twin.page = 2
    assert subject.tool.find(request()) == (sent if found else None)


def test_more_pages_than_are_read_are_no_absence(subject: Subject) -> None:
    """A slot that cannot be read to its end taught nothing."""
    for number in range(25):
        subject.tool.send(request(key=sha256(bytes([number])).hexdigest()))
    subject.twin.page = 1
    with pytest.raises(NotSent, match="pages"):
        subject.tool.find(request())


def test_a_lost_marker_does_not_hide_an_event(subject: Subject) -> None:
    """Without our property the transaction id still tells, and the loss is said."""
    subject.twin.keeps_marker = False
    sent = subject.tool.send(request())
    assert subject.tool.find(request()) == sent
    assert subject.tool.dropped(request(), sent) == ("the marker is missing: it cannot be found again",)


def test_the_sweep_lists_doubles(subject: Subject) -> None:
    """If Graph forgot a transaction id, both events are seen."""
    subject.twin.remembers = False
    made = {subject.tool.send(request()).remote_id for _ in range(2)}
    listed = subject.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + 5)
    assert {one.remote_id for one in listed if one.key == KEY} == made and len(made) == 2


def test_tokens_are_shared_and_renewed(subject: Subject) -> None:
    """One token serves many calls; one that is not accepted any more is replaced by the next call."""
    subject.tool.send(request())
    subject.tool.find(request())
    assert subject.twin.logins == 1
    subject.twin.tokens.clear()
    with pytest.raises(NotSent, match="credentials"):
        subject.tool.send(request())
    subject.tool.send(request())
    subject.twin.tokens.clear()
    with pytest.raises(NotSent, match="401"):
        subject.tool.find(request())
    subject.tool.find(request())
    assert subject.twin.logins == 3


def test_a_wrong_secret_is_mended_by_people(subject: Subject) -> None:
    """Nothing was sent, and the words do not show the secret."""
    with pytest.raises(NotSent, match="no token") as caught:
        subject.imposter().send(request())
    assert "not-the-secret" not in str(caught.value)


def test_other_calendars_are_named_by_their_id(subject: Subject) -> None:
    """A target can be a mailbox and one of its calendars."""
    with pytest.raises(Refused, match="AAMk"):
        subject.tool.send(replace(request(), target=f"{Subject.target}/AAMk="))
    assert subject.proxy.requests[-1].path == f"/users/{Subject.target}/calendars/AAMk%3D/events"
