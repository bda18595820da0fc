"""The real systems of the campaign: what is read from them, and when they may be left out."""

import smtplib
import ssl
from collections.abc import Iterator

import pytest

from tests.crash import boundaries, labels, systems
from tests.crash.systems import Systems, certificates
from tests.tools import servers

TITLE = "Data loss: all orders of trial 17 are gone"
KEY, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:test
BEGIN:VEVENT
UID:{key}@triage
DTSTAMP:19700101T000000Z
DTSTART:20310506T100000Z
DTEND:20310506T103000Z
SUMMARY:{title}
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def there() -> Iterator[Systems]:
    """Run them all."""
    for name in systems.NEEDED:
        servers.require(name)
    with systems.running() as running:
        yield running


def file(there: Systems, subject: str, key: str = "") -> None:
    """Make an issue, past the product."""
    fields = {"custom_fields": [{"id": there.redmine.field_id, "value": key}]} if key else {}
    issue = {"project_id": there.redmine.project, "subject": subject, **fields}
    there.redmine.ask("POST", "/issues.json", {"issue": issue})


@pytest.mark.slow
def test_what_a_trial_made_is_seen_with_and_without_its_marker(there: Systems) -> None:
    """Every issue with the trial's words counts, twice the same key and none at all too; another trial's does not."""
    for subject, key in ((TITLE, KEY), (TITLE, KEY), (TITLE, ""), (TITLE.replace("17", "171"), OTHER)):
        file(there, subject, key)
    assert sorted(commit.key for commit in there.commits("tickets", TITLE)) == ["", KEY, KEY]
    there.put_aside(TITLE)
    assert len(there.commits("tickets", TITLE)) == 3


@pytest.mark.slow
def test_events_and_mails_are_told_apart_by_their_titles(there: Systems) -> None:
    """Events and mails count for the trial whose words are in their titles, under the key in their ids."""
    for key, title in ((KEY, TITLE), (OTHER, "Another one")):
        there.radicale.put(f"{key[:32]}.ics", EVENT.format(key=key, title=title).replace("\n", "\r\n"))
        deliver(there, f"Subject: {title}\r\nMessage-ID: <{key}@triage.test>\r\n\r\n{title}\r\n")
    deliver(there, f"Subject: {TITLE}\r\nMessage-ID: <{KEY}@triage.test>\r\n\r\nOnce more\r\n")
    assert [commit.key for commit in there.commits("slots", TITLE)] == [KEY]
    assert [commit.key for commit in there.commits("notices", TITLE)] == [KEY, KEY]


def deliver(there: Systems, mail: str) -> None:
    """Hand a mail in, past the product."""
    with smtplib.SMTP(there.mail.host, there.mail.port, timeout=10) as server:
        server.starttls(context=ssl.create_default_context(cafile=certificates(there)["SSL_CERT_FILE"]))
        server.sendmail(systems.SENDER, systems.MAILBOX, mail)


def test_what_is_not_installed_may_be_left_out_only_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redmine is not installed the reason is told, and where it must be that is an error."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TESTS_REQUIRE", "smtp")
    assert "Redmine is not installed" in systems.missing()
    monkeypatch.setenv("TESTS_REQUIRE", "redmine,smtp")
    with pytest.raises(RuntimeError, match="Redmine is not installed"):
        systems.missing()


def test_a_case_that_takes_long_tries_what_it_is_about() -> None:
    """All boundaries that fit are tried, in order, and every so many of the others; with `every` 1 none is left out."""
    names = ["sql.a#1", "rounds.http.GET(x)#1", "http.POST(x)#1", "sql.b#1", "sql.c#1", "smtp.dot.committed#1"]
    assert boundaries.thinned(names, ("http.*", "smtp.*"), 2) == [names[at] for at in (0, 2, 4, 5)]
    assert boundaries.thinned(names, ("http.*",), 1) == names


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b"MAIL FROM:<a@b.test> SIZE=3\r\n", "smtp.MAIL"),
        (b"DATA\r\n", "smtp.DATA"),
        (b"Date: today\r\nTo: x\r\n", "smtp.text"),
        (b".\r\n", "smtp.dot"),
    ],
)
def test_what_is_said_to_a_mail_server_has_a_name(data: bytes, label: str) -> None:
    """Commands go by their verb, a mail and the dot that ends it by what they are."""
    assert labels.of_mail(data) == label


def test_ids_are_left_out_of_labels() -> None:
    """An object's id differs from one trial to the next, and so is not in a label."""
    assert labels.path("/issues/42.json?include=journals") == "issues/*.json"
    assert labels.path(f"/triage/bugs/{KEY[:32]}.ics") == "triage/bugs/*.ics"
    assert labels.path("/keyed/tickets-17") == "keyed/tickets"
