"""CalDAV: what stands in the event, and what a taken name or UID means."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tools.subjects.caldav import EVENT, Subject
from triage import clock
from triage.errors import OutcomeUnknown, Refused
from triage.model import Json, Request, Sent
from triage.testing.proxy import Answer
from triage.tools.calendars import ical
from triage.tools.calendars.caldav import Settings
from triage.tools.calendars.event import Event

KEY = sha256(b"one").hexdigest()
MINUTES = timedelta(minutes=10)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A running Radicale with an empty calendar, and a proxy before it."""
    with Subject(Path(tmp_path_factory.mktemp("caldav"))) as subject:
        yield subject


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    """Each test that needs the server finds an empty calendar."""
    if "subject" in request.fixturenames:
        subject: Subject = request.getfixturevalue("subject")
        subject.proxy.reset()
        for name in subject.server.names():
            subject.server.delete(name)


def request(content: Json | None = None, key: str = KEY, target: str = Subject.target) -> Request:
    """An event."""
    return Request(key, target, EVENT if content is None else content, clock.now() + 5)


def event(content: Json, **options: Any) -> Any:
    """As another library reads it."""
    return vobject.readOne(ical.written(Event.read(content), KEY, MINUTES, **options).decode()).vevent


def test_an_event_says_all_of_it() -> None:
    """Times are in UTC, the event is private and blocks time, it reminds once, and nobody is mailed."""
    made = event(EVENT)
    start = datetime(2031, 3, 30, 8, 0, tzinfo=UTC)
    assert (made.dtstart.value, made.dtend.value) == (start, start + timedelta(minutes=45))
    assert (made.summary.value, made.uid.value) == (EVENT["title"], f"{KEY}@triage")
    assert (made.class_.value if hasattr(made, "class_") else made.contents["class"][0].value) == "PRIVATE"
    assert (made.transp.value, made.url.value) == ("OPAQUE", EVENT["link"])
    assert made.valarm.trigger.value == -MINUTES
    assert EVENT["text"] in made.description.value and EVENT["link"] in made.description.value
    assert [one.value for one in made.attendee_list] == [f"mailto:{one}" for one in EVENT["attendees"]]
    assert {one.params["SCHEDULE-AGENT"][0] for one in made.attendee_list} == {"NONE"}
    assert "organizer" not in made.contents


def test_invitations_are_asked_for() -> None:
    """With `invite` the server may mail the attendees, in the organizer's name."""
    made = event(EVENT, organizer="triage@triage.test", invite=True)
    assert made.organizer.value == "mailto:triage@triage.test"
    assert not any("SCHEDULE-AGENT" in one.params for one in made.attendee_list)
    with pytest.raises(ValidationError, match="organizer"):
        Settings(url="https://a.test/dav", user="u", password="p", invite=True)  # noqa: S106


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_a_line(title: str, text: str, component: str) -> None:
    """Whatever the draft says, there is one event with our lines, none longer than 75 octets."""
    written = ical.written(Event.read({**EVENT, "title": title, "text": text, "component": component}), KEY, MINUTES)
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))
    assert written.decode().isprintable() or b"\n" not in written.replace(b"\r\n", b"")
    names = list(ical.read(written.decode()))
    assert set(names) == set(ical.read(ical.written(Event.read(EVENT), KEY, MINUTES).decode()))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_folding_and_escaping_lose_nothing(text: str) -> None:
    """Another library reads the same text again."""
    line = b"SUMMARY:" + ical.folded(ical.escaped(text))
    calendar = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + ical.folded(f"SUMMARY:{ical.escaped(text)}") + b"\r\n"
    assert len(line) >= len(text)
    read = ical.read((calendar + b"END:VEVENT\r\nEND:VCALENDAR\r\n").decode())["SUMMARY"][0]
    undone = ical.re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], read)
    assert undone == ical.NEWLINE.sub("\n", text)


@pytest.mark.parametrize(
    "start", [None, "", "soon", "2031-03-30T10:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", 5]
)
def test_without_a_start_nothing_is_sent(subject: Subject, start: object) -> None:
    """A start without an offset is no moment; the event is refused, and rendered all the same."""
    asked = request({**EVENT, "start": start})
    assert subject.tool.render(asked)
    with pytest.raises(Refused, match="no start"):
        subject.tool.send(asked)
    assert subject.proxy.writes == 0


@pytest.mark.parametrize(
    ("minutes", "length"),
    [(None, 30), (0, 30), (-5, 30), (True, 30), ("9", 30), (float("nan"), 30), (1, 1), (1e300, 10080)],
)
def test_an_odd_length_is_made_usable(minutes: object, length: int) -> None:
    """An event is at least a minute and at most a week long, half an hour if it does not say."""
    assert Event.read({**EVENT, "minutes": minutes}).length == timedelta(minutes=length)


def test_what_is_no_address_is_named(subject: Subject) -> None:
    """It is left out, and the answer says so."""
    sent = subject.tool.send(request({**EVENT, "attendees": ["ann@triage.test", "x\r\nATTENDEE:mailto:evil@x", 7]}))
    assert len(sent.dropped) == 2 and "no address" in sent.dropped[0]
    assert "evil" not in subject.arrived(sent.remote_id)


def test_a_name_that_somebody_else_has_is_refused(subject: Subject) -> None:
    """Only our UID in it makes it ours."""
    other = ical.written(Event.read(EVENT), "f" * 64, MINUTES).decode()
    subject.server.put(f"{KEY[:32]}.ics", other)
    with pytest.raises(Refused, match="something else"):
        subject.tool.send(request())


def test_an_event_that_moved_to_another_name_is_found(subject: Subject) -> None:
    """A UID that the server has already leads to the event, whatever it is called now."""
    asked = request()
    subject.server.put("moved.ics", subject.tool.render(asked).decode())
    assert subject.tool.send(asked) == Sent("moved.ics", f"{subject.proxy.url}/{Subject.target}/moved.ics")
    assert subject.server.names() == ["moved.ics"]


@pytest.mark.parametrize("broken", ["reset_before", "500_before", Answer(403, b"")])
def test_a_failed_second_look_leaves_it_unknown(subject: Subject, broken: Any) -> None:
    """What an earlier attempt may have made is not forgotten because it cannot be read now."""
    subject.tool.send(request())
    subject.proxy.script(broken, reads=True)
    with pytest.raises(OutcomeUnknown, match="could not be read"):
        subject.tool.send(request())


def test_a_deletion_between_two_looks_is_said(subject: Subject) -> None:
    """If the server says "exists" and then "gone", somebody deleted it."""
    subject.proxy.script(Answer(412, b""))
    assert subject.tool.send(request()).dropped == ("the event was deleted there",)


def test_what_people_changed_is_seen(subject: Subject) -> None:
    """Reading back compares times and attendees with the draft."""
    asked = request()
    sent = subject.tool.send(asked)
    text = subject.tool.render(asked).decode()
    changed = text.replace("DTSTART:20310330T080000Z", "DTSTART:20310330T083000Z").replace("ann@", "eve@")
    subject.server.put(sent.remote_id, changed)
    assert subject.tool.dropped(asked, sent) == ("the start is another", "attendee 'ann@triage.test' was left out")
    subject.server.delete(sent.remote_id)
    assert subject.tool.dropped(asked, sent) == ("the event was deleted there",)


def test_a_path_does_not_go_upwards(subject: Subject) -> None:
    """A target stays below the address that is set."""
    with pytest.raises(Refused, match="upwards"):
        subject.tool.send(replace(request(), target="triage/../other"))
