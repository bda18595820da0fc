"""Google Calendar: what is asked for, a taken id, quotas, and tokens of a service account."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pydantic import ValidationError

from tests.tools.subjects.caldav import EVENT
from tests.tools.subjects.google_calendar import Subject
from triage import clock
from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, Refused
from triage.model import Json, Request
from triage.testing.proxy import Answer
from triage.testing.twins.google_calendar import TOKEN
from triage.tools.calendars.google import Settings

KEY = sha256(b"one").hexdigest()


@pytest.fixture
def subject(tmp_path: Path) -> Iterator[Subject]:
    """An empty calendar."""
    with Subject(tmp_path) as subject:
        yield subject


def request(content: Json | None = None, key: str = KEY) -> Request:
    """An event."""
    return Request(key, Subject.target, EVENT if content is None else content, clock.now() + 5)


def problem(status: int, reason: str) -> Answer:
    """An error as Google words it."""
    body = {"error": {"code": status, "message": "No.", "errors": [{"domain": "usageLimits", "reason": reason}]}}
    return Answer(status, json.dumps(body).encode(), {"content-type": "application/json"})


def test_an_event_is_a_private_hold(subject: Subject) -> None:
    """It blocks time, shows itself to nobody else, reminds once, and mails nobody."""
    sent = subject.tool.send(request())
    (stored,) = subject.twin.stored
    fields = stored.fields
    assert (sent.remote_id, sent.remote_url) == (KEY[:32], fields["htmlLink"])
    assert (fields["visibility"], fields["transparency"]) == ("private", "opaque")
    assert fields["reminders"] == {"useDefault": False, "overrides": [{"method": "popup", "minutes": 10}]}
    assert datetime.fromisoformat(fields["start"]["dateTime"]) == datetime(2031, 3, 30, 8, tzinfo=UTC)
    assert [one["email"] for one in fields["attendees"]] == EVENT["attendees"]
    assert subject.twin.mailed == []


def test_invitations_are_asked_for(subject: Subject) -> None:
    """With `invite` Google mails the attendees."""
    subject.opened(token=TOKEN, invite=True, reminder=timedelta()).send(request())
    assert subject.twin.mailed == EVENT["attendees"]
    assert subject.twin.stored[0].fields["reminders"]["overrides"] == []


def test_an_id_of_somebody_else_is_refused(subject: Subject) -> None:
    """Only our whole key in it makes it ours."""
    subject.tool.send(request(key=KEY[:32] + "0" * 32))
    with pytest.raises(Refused, match="something else"):
        subject.tool.send(request())
    assert len(subject.twin.stored) == 1


@pytest.mark.parametrize("answer", [problem(404, "notFound"), problem(500, "backendError"), Answer(200, b"no JSON")])
def test_a_taken_id_that_cannot_be_read_is_unknown(subject: Subject, answer: Answer) -> None:
    """The event was made, and whether it is ours cannot be said now."""
    subject.tool.send(request())
    subject.proxy.script(answer, reads=True)
    with pytest.raises(OutcomeUnknown):
        subject.tool.send(request())


def test_a_burnt_id_is_a_deletion(subject: Subject) -> None:
    """Google may also say that the event with this id is gone."""
    subject.tool.send(request())
    subject.proxy.script(problem(410, "deleted"), reads=True)
    assert subject.tool.send(request()).dropped == ("the event was deleted there",)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("rateLimitExceeded", NotSent),
        ("userRateLimitExceeded", NotSent),
        ("quotaExceeded", NotSent),
        ("forbidden", Refused),
    ],
)
def test_a_403_is_a_limit_or_a_no(subject: Subject, reason: str, error: type[Exception]) -> None:
    """The reason tells them apart."""
    subject.proxy.script(problem(403, reason))
    with pytest.raises(error):
        subject.tool.send(request())


def test_what_people_changed_is_seen(subject: Subject) -> None:
    """Reading back compares the times, in whatever zone, and says if the event is gone."""
    sent = subject.tool.send(request())
    assert subject.tool.dropped(request(), sent) == ()
    subject.twin.move(sent.remote_id, "2031-03-30T10:30:00+02:00")
    assert subject.tool.dropped(request(), sent) == ("the start is another",)
    subject.twin.delete(sent.remote_id)
    assert subject.tool.dropped(request(), sent) == ("the event was deleted there",)


def test_the_sweep_reads_all_pages(subject: Subject) -> None:
    """Events on later pages are listed too, strangers' and deleted ones are not."""
    subject.twin.page = 2
    keys = [sha256(bytes([number])).hexdigest() for number in range(5)]
    for key in keys:
        subject.tool.send(request(key=key))
    subject.twin.stored[0].fields["extendedProperties"] = {"private": {"triage": "1"}}
    subject.twin.delete(keys[4][:32])
    listed = subject.tool.marked(datetime.now(UTC) - timedelta(hours=1), clock.now() + 5)
    assert [one.key for one in listed] == keys[1:4]


def test_a_reader_is_told_so(subject: Subject) -> None:
    """A calendar that is shared for reading only is found before the first event."""
    subject.twin.role = "reader"
    (finding,) = subject.tool.preflight(clock.now() + 5)
    assert not finding.good and "read only" in finding.found


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A service account's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def account(subject: Subject, key: Any, **changed: str) -> str:
    """The JSON that Google gives out."""
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    known = {"client_email": "triage@project.test", "private_key_id": "k1", "token_uri": f"{subject.twin.url}/token"}
    return json.dumps({**known, "private_key": key.private_bytes(*form).decode(), **changed})


def claims(assertion: str, key: rsa.RSAPrivateKey) -> tuple[Json, Json]:
    """Head and claims of a token whose signature is right."""
    head, body, signature = assertion.split(".")
    key.public_key().verify(_octets(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return json.loads(_octets(head)), json.loads(_octets(body))


def _octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_service_account_signs_for_its_token(subject: Subject, key: rsa.RSAPrivateKey) -> None:
    """One assertion is posted for many calls, with the claims that Google wants and a signature that holds."""
    tool = subject.opened(service_account=account(subject, key), subject="boss@triage.test")
    for number in range(3):
        tool.send(request(key=sha256(bytes([number])).hexdigest()))
    (form,) = (parse_qs(one) for one in subject.twin.assertions)
    head, said = claims(form["assertion"][0], key)
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert said["exp"] - said["iat"] == 3600 and said["iat"] == pytest.approx(datetime.now(UTC).timestamp(), abs=30)
    assert said | {"iat": 0, "exp": 0} == {
        "iss": "triage@project.test",
        "sub": "boss@triage.test",
        "scope": "https://www.googleapis.com/auth/calendar.events",
        "aud": f"{subject.twin.url}/token",
        "iat": 0,
        "exp": 0,
    }


def test_a_token_that_was_revoked_is_replaced(subject: Subject, key: rsa.RSAPrivateKey) -> None:
    """The call that meets it was not sent, and the next one comes with a new token."""
    tool = subject.opened(service_account=account(subject, key))
    tool.send(request())
    subject.twin.tokens.clear()
    with pytest.raises(NotSent, match="credentials"):
        tool.send(request())
    assert tool.send(request()).remote_id == KEY[:32]


@pytest.mark.parametrize(("lifetime", "fetches"), [(3599, 1), ("soon", 0), (-1, 1)])
def test_a_token_is_used_while_it_lives(subject: Subject, key: rsa.RSAPrivateKey, lifetime: Any, fetches: int) -> None:
    """An odd lifetime costs at most one fetch each few seconds, and one that cannot be read is no token."""
    subject.twin.lifetime = lifetime
    tool = subject.opened(service_account=account(subject, key))
    if not fetches:
        with pytest.raises(NotSent, match="no token"):
            tool.send(request())
        return
    tool.send(request())
    tool.send(request())
    assert len(subject.twin.assertions) == fetches


@pytest.mark.parametrize("secret", ["", "{}", "[]", '"x"', '{"client_email": "a", "private_key": "secret-pem"}'])
def test_a_key_that_is_none_is_a_wrong_setting(subject: Subject, secret: str) -> None:
    """It is named, and not shown."""
    with pytest.raises(InvalidSetting, match="service_account") as caught:
        subject.opened(service_account=secret)
    assert "secret-pem" not in str(caught.value)


def test_only_rsa_keys_are_taken(subject: Subject) -> None:
    """Google gives out no others."""
    with pytest.raises(InvalidSetting):
        subject.opened(service_account=account(subject, ec.generate_private_key(ec.SECP256R1())))


def test_one_kind_of_credentials_is_needed() -> None:
    """Neither and both are wrong settings."""
    for both in ({}, {"token": "t", "service_account": "{}"}):
        with pytest.raises(ValidationError, match="either"):
            Settings(**both)
