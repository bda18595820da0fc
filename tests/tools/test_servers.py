"""Each real server starts, keeps an object with a marker, finds it, loses it, and leaves no process behind."""

import os
import smtplib
import socket
import ssl
import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.support import waiting
from tests.tools.servers import require, required, rest, running
from tests.tools.servers.radicale import radicale
from tests.tools.servers.redmine import redmine
from tests.tools.servers.request_tracker import request_tracker
from tests.tools.servers.roundup import roundup
from tests.tools.servers.smtp import Smtp, smtp, smtp_process
from tests.tools.servers.synapse import synapse
from triage.testing.faults import Fault, FaultKind
from triage.testing.proxy import FaultProxy

KEY = "0123456789abcdef"
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//triage//EN\r\nBEGIN:VEVENT\r\nUID:0123456789abcdef\r\n"
    "DTSTAMP:20260101T000000Z\r\nDTSTART:20260102T100000Z\r\nDTEND:20260102T110000Z\r\nSUMMARY:Bug\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
PATIENCE = 0.5
"""Seconds until a client gives up a mail server that hangs."""
LATER = 0.8
"""Seconds after which a mail is stored late."""
SENT = "sent"
LOST = "lost"
HUNG = "hung"

MAILS: dict[FaultKind, tuple[object, int, int]] = {
    FaultKind.NONE: (SENT, 1, 1),
    FaultKind.COMMIT_THEN_DROP: (LOST, 1, 1),
    FaultKind.LATE_COMMIT: (LOST, 1, 1),
    FaultKind.HANG_LATE_COMMIT: (HUNG, 1, 1),
    FaultKind.TOO_MANY: (451, 0, 0),
    FaultKind.ERROR_BEFORE: (451, 1, 0),
    FaultKind.ERROR_AFTER: (451, 1, 1),
    FaultKind.GARBAGE: (-1, 1, 1),
    FaultKind.HANG: (HUNG, 1, 0),
    FaultKind.HANG_AFTER_COMMIT: (HUNG, 1, 1),
    FaultKind.RESET_BEFORE: (LOST, 0, 0),
    FaultKind.SLOW: (SENT, 1, 1),
    FaultKind.REFUSE: (550, 0, 0),
}
"""What a client meets, how many DATA commands there were, and how many mails are stored in the end."""
LATE = {FaultKind.LATE_COMMIT, FaultKind.HANG_LATE_COMMIT}


def test_redmine_keeps_the_marker() -> None:
    """An issue is found by its marker, closed or not, until the marker is changed or the issue is deleted."""
    require("redmine")
    with redmine() as server:
        assert server.issues() == []
        first, dropped = (issue(project) for project in (server.project, server.unmarked))
        kept = server.ask("POST", "/issues.json", first)["issue"]["id"]
        lost = server.ask("POST", "/issues.json", dropped)["issue"]["id"]
        assert server.issues_with(KEY) == server.issues_with(KEY, server.project) == [kept]
        server.close(kept)
        assert server.issues_with(KEY) == [kept]
        server.set_key(kept, "another")
        assert server.issues_with(KEY) == []
        server.delete(kept)
        assert [one["id"] for one in server.issues()] == [lost]
        with pytest.raises(rest.CallError, match="404"):
            server.issue(kept)
    assert running.members(server.pid) == []


def issue(project: str) -> dict[str, object]:
    """A marked issue of Redmine."""
    return {"issue": {"project_id": project, "subject": "s", "custom_fields": [{"id": 1, "value": KEY}]}}


def test_redmine_starts_empty_and_behind_a_proxy() -> None:
    """Each start has its own database, and what commits behind a proxy that drops the answer is one issue."""
    require("redmine")
    with redmine() as server, FaultProxy(server.url) as proxy:
        proxy.script("commit_then_drop")
        headers = {"X-Redmine-API-Key": server.api_key}
        with pytest.raises(ConnectionResetError):
            rest.call_json("POST", f"{proxy.url}/issues.json", issue(server.project), headers)
        assert (len(server.issues_with(KEY)), proxy.writes, proxy.forwarded) == (1, 1, 1)


def test_request_tracker_keeps_the_marker() -> None:
    """A ticket is found by its marker until that is changed or the ticket deleted; another queue drops the marker."""
    require("request_tracker")
    with request_tracker() as server:
        assert server.tickets() == []
        wish = {"Subject": "s", "CustomFields": {"run_key": KEY}}
        kept = int(server.ask("POST", "/ticket", {"Queue": server.queue, **wish})["id"])
        lost = int(server.ask("POST", "/ticket", {"Queue": server.unmarked, **wish})["id"])
        assert server.tickets_with(KEY) == [kept]
        server.set_key(kept, "another")
        assert (server.tickets_with(KEY), server.tickets_with("another")) == ([], [kept])
        server.delete(kept)
        assert (server.tickets_with("another"), server.tickets()) == ([], [lost])
        assert server.ticket(kept)["Status"] == "deleted"
    assert running.members(server.pid) == []


def test_radicale_keeps_an_event() -> None:
    """An event is there once, a second one with its name is refused, and it can be deleted."""
    require("radicale")
    with radicale() as server:
        headers = {**rest.basic(server.user, server.password), "If-None-Match": "*", "Content-Type": "text/calendar"}
        rest.call("PUT", f"{server.calendar_url}x.ics", EVENT.encode(), headers)
        with pytest.raises(rest.CallError, match="412"):
            rest.call("PUT", f"{server.calendar_url}x.ics", EVENT.encode(), headers)
        assert server.names() == ["x.ics"]
        assert [f"UID:{KEY}" in event for event in server.events()] == [True]
        server.delete("x.ics")
        assert server.events() == []
        server.delete_calendar()
        with pytest.raises(rest.CallError, match="409"):
            rest.call("PUT", f"{server.calendar_url}x.ics", EVENT.encode(), headers)
    assert running.members(server.pid) == []


def test_roundup_takes_a_token_once() -> None:
    """A token that was used makes no second issue, and a retired issue is not listed."""
    require("roundup")
    with roundup() as server:
        link = server.ask("POST", "data/issue/@poe", {})["data"]["link"]
        server.ask("POST", link, {"title": f"A bug {KEY}", "priority": "bug"})
        with pytest.raises(rest.CallError, match="400"):
            server.ask("POST", link, {"title": f"A bug {KEY}", "priority": "bug"})
        (made,) = server.issues_with(KEY)
        server.delete(made)
        assert server.issues_with(KEY) == []
    assert running.members(server.pid) == []


def test_roundup_limits_calls() -> None:
    """A limited tracker answers 429 once its calls are used up."""
    require("roundup")
    with roundup(calls=2, seconds=600) as server:
        for _ in range(2):
            server.ask("GET", "data/issue")
        with pytest.raises(rest.CallError, match="429"):
            server.ask("GET", "data/issue")


def test_synapse_keeps_a_message() -> None:
    """The same transaction sent twice is one message, and a redacted message has no content."""
    require("synapse")
    with synapse() as server:
        path = f"rooms/{server.room}/send/m.room.message/{KEY}"
        first, second = (server.ask("PUT", path, {"msgtype": "m.text", "body": KEY}) for _ in range(2))
        assert first == second
        assert [message["content"]["body"] for message in server.messages()] == [KEY]
        server.delete(first["event_id"])
        assert [message["content"] for message in server.messages()] == [{}]
    assert running.members(server.pid) == []


def mail(server: Smtp) -> object:
    """Send a mail: `sent`, the code of a refusal, `lost` if the link broke, `hung` if no answer came."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "triage@triage.test", "team@triage.test", "A bug"
    message["Message-ID"] = f"<{KEY}@triage.test>"
    message.set_content("It crashes.")
    client = smtplib.SMTP(server.host, server.port, local_hostname="client.triage.test", timeout=PATIENCE)
    try:
        client.starttls(context=ssl.create_default_context(cafile=server.ca_file))
        client.login(server.user, server.password)
        client.send_message(message)
    except smtplib.SMTPServerDisconnected as error:
        return HUNG if isinstance(error.__context__, TimeoutError) else LOST
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients["team@triage.test"][0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    else:
        return SENT
    finally:
        client.close()


@pytest.mark.parametrize("kind", MAILS)
def test_a_fault_of_mail_does_what_it_says(kind: FaultKind) -> None:
    """The client meets the fault once, the mail is stored as often as the kind says, and then all is well."""
    met, data, stored = MAILS[kind]
    with smtp(login=True) as server:
        server.script(Fault(kind, LATER if kind in LATE else 0.1))
        assert mail(server) == met
        assert (server.data_commands, len(server.messages)) == (data, 0 if kind in LATE else stored)
        waiting.until(lambda: len(server.messages) == stored, 5, lambda: "the mail was not stored")
        assert mail(server) == SENT
        assert [one.message_id for one in server.messages] == [f"<{KEY}@triage.test>"] * (stored + 1)


def test_a_mail_server_wants_the_password() -> None:
    """Without the right password nothing is taken."""
    with smtp(login=True) as server:
        server.password = KEY
        assert mail(server) == 535
        assert (server.data_commands, server.messages) == (0, [])


def test_a_mail_server_keeps_what_came() -> None:
    """A stored mail has the addresses of the envelope and its text, and can be deleted."""
    require("smtp")
    with smtp(login=True) as server:
        assert mail(server) == SENT
        (kept,) = server.with_id(f"<{KEY}@triage.test>")
        assert (kept.sender, kept.recipients) == ("triage@triage.test", ["team@triage.test"])
        assert kept.message["subject"] == "A bug" and "It crashes." in kept.text
        server.delete(kept.message_id)
        assert (server.messages, server.data_commands) == ([], 1)


def test_a_mail_server_can_be_a_process() -> None:
    """In a process of its own it is scripted and asked the same way, and ends when it is left."""
    with smtp_process(login=True) as server:
        server.script("commit_then_drop", "refuse")
        assert [mail(server) for _ in range(3)] == [LOST, 550, SENT]
        assert (server.data_commands, len(server.messages)) == (2, 2)
        assert running.listens(server.port)
    assert server.process.returncode == 0
    assert not running.listens(server.port)


def test_a_client_may_speak_without_a_login() -> None:
    """A server without STARTTLS takes a mail from anybody."""
    with smtp(starttls=False) as server, smtplib.SMTP(server.host, server.port, "client.triage.test", 5) as client:
        client.sendmail("a@triage.test", ["b@triage.test"], f"Message-ID: <{KEY}>\r\n\r\nText")
        assert [one.message_id for one in server.messages] == [f"<{KEY}>"]


def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    """When a server ends instead of serving, the error has what it wrote, and comes at once."""
    began = time.monotonic()
    starting = running.running(
        ["sh", "-c", "echo no such thing; exit 1"], lambda: False, tmp_path / "log", cwd=tmp_path
    )
    with pytest.raises(RuntimeError, match="no such thing"), starting:
        pytest.fail("it was taken for a server")
    assert time.monotonic() - began < 5


def test_a_stopped_server_takes_its_children_along() -> None:
    """What a server started ends with it, even if it does not want to."""
    with running.folder("children") as home:
        script = "(trap '' TERM; touch up; sleep 600; true) & sleep 600 & wait"
        with running.running(["sh", "-c", script], (home / "up").exists, home / "log", cwd=home) as process:
            group = process.pid
            waiting.until(lambda: len(running.members(group)) == 4, 20, lambda: str(running.members(group)))
        assert running.members(group) == []
    assert not home.exists()


def test_the_environment_says_what_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is named must be there; without names, CI needs what it installs and a laptop nothing."""
    monkeypatch.setenv("TESTS_REQUIRE", "redmine, smtp")
    assert required() == {"redmine", "smtp"}
    monkeypatch.delenv("TESTS_REQUIRE")
    monkeypatch.setenv("CI", "true")
    assert {"redmine", "request_tracker", "radicale", "smtp"} <= required()
    monkeypatch.delenv("CI")
    assert required() == set()


def test_a_server_that_is_missing_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is not installed skips with the command that installs it, and fails where it is required."""
    monkeypatch.setenv("TESTS_CACHE", os.devnull)
    monkeypatch.setenv("TESTS_REQUIRE", "")
    with pytest.raises(pytest.skip.Exception, match="servers install synapse"):
        require("synapse")
    monkeypatch.setenv("TESTS_REQUIRE", "synapse")
    with pytest.raises(pytest.fail.Exception, match="is required"):
        require("synapse")


def test_a_free_port_is_free() -> None:
    """Nobody listens on a free port, and one can."""
    port = running.free_port()
    assert not running.listens(port)
    with socket.create_server((running.HOST, port)):
        assert running.listens(port)
