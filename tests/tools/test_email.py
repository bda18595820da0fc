"""Mail: what is in it, and what each of the server's words is taken for."""

import email.policy
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.tools.subjects.email import HoldSubject
from triage import clock
from triage.errors import NotSent, OutcomeUnknown, ProcessExpired, Refused
from triage.model import Json, Request, ToolClass
from triage.tools.egress import Egress
from triage.tools.notifiers.email import Email, Settings
from triage.tools.smtp import Server, Session
from triage.tools.transport import Transport

KEY = sha256(b"one").hexdigest()
TARGET = "people@triage.test"
HELLO = ("250-mail.triage.test\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n",)
TAKEN = ("220 ready\r\n", *HELLO, "250 OK\r\n", "250 OK\r\n", "354 go on\r\n", "250 OK\r\n")
"""What a server says from its greeting to the end of one mail."""
NAMES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HoldSubject]:
    """A real server that wants STARTTLS and a login."""
    with HoldSubject(tmp_path_factory.mktemp("mail")) as subject:
        yield subject


def request(content: Json | None = None, target: str = TARGET, patience: float = 5.0, key: str = KEY) -> Request:
    """A notice."""
    return Request(key, target, HoldSubject.content if content is None else content, clock.now() + patience)


def unencrypted(port: int, transport: Transport | None = None, **changed: Any) -> Email:
    """The tool in front of a server of a test."""
    ours: dict[str, Any] = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "triage@triage.test"}
    return Settings(**{**ours, **changed}).open("mail", transport or Transport(egress=Egress(["127.0.0.1"])))


@contextmanager
def saying(*replies: str) -> Iterator[tuple[int, bytearray]]:
    """A server that says these in turn, one for each thing it is told, then closes; its port, and what it heard."""
    heard = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def attend() -> None:
        client, _ = listener.accept()
        with client, suppress(OSError):  # the client may leave at any time
            client.settimeout(2)
            for number, reply in enumerate(replies):
                client.sendall(reply.encode())
                last = number + 1 == len(replies)
                _listen(client, heard, b"\r\n.\r\n" if reply.startswith("354") else b"\r\n", last=last)

    thread = threading.Thread(target=attend, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1], heard
        thread.join(3)


def _listen(client: socket.socket, heard: bytearray, end: bytes, *, last: bool) -> None:
    told = b""
    while not last and not told.endswith(end) and (piece := client.recv(65536)):
        told += piece
        heard += piece


def read(mail: bytes) -> EmailMessage:
    """As a mail program reads it."""
    message = message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_logs_in_over_starttls(subject: HoldSubject) -> None:
    """A mail arrives once, from our sender, with a Message-ID made of the key and a date."""
    sent = subject.tool.send(request())
    (mail,) = subject.server.with_id(sent.remote_id)
    assert (sent.remote_id, mail.sender, mail.recipients) == (f"<{KEY}@triage.test>", "triage@triage.test", [TARGET])
    assert mail.message["subject"] == "Export crashes"
    assert mail.message["date"]


def test_wrong_credentials_are_mended_by_people(subject: HoldSubject) -> None:
    """They are no refusal of the mail, and the words show no password."""
    tool = subject.opened(password="wrong-and-secret")  # noqa: S106 - of no one
    with pytest.raises(NotSent, match="credentials") as caught:
        tool.send(request())
    assert "wrong-and-secret" not in str(caught.value)
    assert [finding.good for finding in tool.preflight(clock.now() + 5)] == [False]


def test_an_untrusted_certificate_ends_the_call(subject: HoldSubject) -> None:
    """Neither mail nor password is told to who cannot prove to be the server."""
    with closing(Transport(egress=Egress(["127.0.0.1"]))) as transport:
        ours = {"host": "127.0.0.1", "port": subject.server.port, "sender": "triage@triage.test"}
        tool = Settings(**ours, user="u", password="p").open("mail", transport)  # noqa: S106
        with pytest.raises(NotSent, match="CERTIFICATE"):
            tool.send(request())


def test_without_starttls_nothing_is_sent() -> None:
    """A server (or somebody in between) that does not offer STARTTLS gets no mail."""
    with saying("220 ready\r\n", *HELLO) as (port, heard), pytest.raises(NotSent, match="STARTTLS"):
        unencrypted(port, tls="starttls").send(request())
    assert b"MAIL" not in heard


def test_what_was_said_before_tls_does_not_count() -> None:
    """Answers that somebody slipped in behind the one to STARTTLS are not taken for the server's."""
    hello = "250-a\r\n250 STARTTLS\r\n"
    slipped = "220 go\r\n250-a\r\n250 AUTH PLAIN\r\n"
    with saying("220 a\r\n", hello, slipped) as (port, _), pytest.raises(NotSent, match="in the clear"):
        unencrypted(port, tls="starttls").send(request())


@pytest.mark.parametrize("number", range(6), ids=NAMES)
@pytest.mark.parametrize(
    "reply", ["451 later\r\n", "550 no\r\n", "what?\r\n", ""], ids=["4xx", "5xx", "garbage", "end"]
)
def test_each_answer_is_judged(number: int, reply: str) -> None:
    """Before the final dot nothing was sent, and a 5xx is a no; after it only a 5xx is sure."""
    dot = NAMES[number] == "dot"
    with saying(*TAKEN[:number], reply) as (port, _), pytest.raises((NotSent, Refused, OutcomeUnknown)) as caught:
        unencrypted(port).send(request())
    assert type(caught.value) is (Refused if reply.startswith("5") else OutcomeUnknown if dot else NotSent)


@pytest.mark.parametrize("number", range(6), ids=NAMES)
def test_silence_ends_at_the_deadline(number: int) -> None:
    """A server that goes silent costs no more than the call's time, and only after the dot leaves a doubt."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def attend() -> None:
            client, _ = listener.accept()
            with client:
                for reply in TAKEN[:number]:
                    client.sendall(reply.encode())
                    client.recv(65536)
                stop.wait(3)

        threading.Thread(target=attend, daemon=True).start()
        start = clock.now()
        with pytest.raises(OutcomeUnknown if NAMES[number] == "dot" else NotSent):
            unencrypted(listener.getsockname()[1]).send(request(patience=0.3))
        assert clock.now() - start < 1
        stop.set()


def test_the_hook_is_asked_before_the_final_dot() -> None:
    """Up to the dot the mail can still be called back, so that is where a dead process is stopped."""
    asked = []

    def refuse() -> None:
        asked.append(bytes(heard))
        raise ProcessExpired("expired")

    with saying(*TAKEN) as (port, heard), pytest.raises(ProcessExpired):
        unencrypted(port, Transport(refuse, egress=Egress(["127.0.0.1"]))).send(request())
    assert b"DATA\r\n" in asked[0]
    assert b"\r\n.\r\n" not in heard


def test_a_line_with_a_dot_alone_does_not_end_the_mail(subject: HoldSubject) -> None:
    """Dots at the start of lines are doubled on the way and arrive as they were."""
    mail = b"Message-ID: <dots@triage.test>\r\n\r\n.\r\n..two\r\n.MAIL FROM:<a@b>\r\nlast\r\n"
    server = Server("127.0.0.1", subject.server.port, "starttls", "triage.test")
    with Session.open(server, subject.transport, clock.now() + 5) as session:
        session.login(subject.server.user, subject.server.password)
        session.submit("triage@triage.test", TARGET, mail, subject.transport)
    (arrived,) = subject.server.with_id("<dots@triage.test>")
    assert arrived.text.encode() == mail


def test_our_own_network_is_not_called() -> None:
    """The same check of destinations holds for mail."""
    with saying(*TAKEN) as (port, heard), pytest.raises(Refused, match="egress_allow"):
        unencrypted(port, Transport()).send(request())
    assert not heard


def test_a_mail_that_is_too_long_is_refused() -> None:
    """The size that the server announces is looked at before anything is sent."""
    with saying("220 a\r\n", "250-a\r\n250 SIZE 100\r\n") as (port, heard), pytest.raises(Refused, match="takes 100"):
        unencrypted(port).send(request())
    assert b"MAIL" not in heard


@pytest.mark.parametrize("offered", [True, False])
def test_an_address_beyond_ascii_needs_a_server_that_takes_it(*, offered: bool) -> None:
    """With SMTPUTF8 it is written as it is, without it the mail is refused."""
    hello = "250-a\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n" if offered else "250 a\r\n"
    with saying(TAKEN[0], hello, *TAKEN[2:]) as (port, heard):
        tool = unencrypted(port)
        if offered:
            tool.send(request(target="grüße@bücher.test"))
            assert (
                "MAIL FROM:<triage@triage.test> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<grüße@bücher.test>".encode() in heard
            )
        else:
            with pytest.raises(Refused, match="SMTPUTF8"):
                tool.send(request(target="grüße@bücher.test"))


@pytest.mark.parametrize("html", [False, True])
def test_the_bytes_depend_on_the_request_alone(html: bool) -> None:
    """The same request makes the same bytes, all of them 7 bit, in lines that every server takes."""
    content = {**HoldSubject.content, "title": "Grüße " + "虫" * 300, "text": ".\r\n.\nlong " * 500}
    tools = [unencrypted(1, html=html) for _ in range(2)]
    first, second = (tool.render(request(content)) for tool in tools)
    assert first == second
    assert (
        first.isascii()
        and all(len(line) <= 100 for line in first.split(b"\r\n"))
        and b"\n" not in first.replace(b"\r\n", b"")
    )


def test_html_comes_with_the_text() -> None:
    """Both forms are there, the hostile part escaped."""
    mail = read(
        unencrypted(1, html=True).render(request({**HoldSubject.content, "title": "<script>alert(1)</script>"}))
    )
    plain, page = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None and page is not None
    assert "https://tickets.test/1" in plain.get_content() and 'href="https://tickets.test/1"' in page.get_content()
    assert "<script>" not in page.get_content()


@given(st.text(), st.text(), st.text(), st.text(min_size=1))
def test_no_text_becomes_a_header(title: str, text: str, thread: str, target: str) -> None:
    """Whatever the draft says, the mail has our headers and no others, and one line for each."""
    mail = read(unencrypted(1).render(request({"title": title, "text": text, "thread": thread}, target)))
    assert {name.lower() for name in mail} <= {
        *("from", "to", "subject", "message-id", "auto-submitted", "x-auto-response-suppress"),
        *("mime-version", "content-type", "content-transfer-encoding"),
    }
    assert mail["message-id"] == f"<{KEY}@triage.test>"


@pytest.mark.parametrize(
    "target",
    ["", "nobody", "a@b>", "a@b\r\nRCPT TO:<c@d>", "<a@b>", "a b@c", "a@b, c@d", "@c", "a@" + "c" * 300, "a@-b"],
)
def test_what_is_no_address_is_refused(target: str) -> None:
    """It is named, and nobody is called."""
    with pytest.raises(Refused, match="no address"):
        unencrypted(1).send(request(target=target))


def test_later_mails_stand_below_the_first() -> None:
    """A mail names the run's first one; anything else in its place is left out."""
    first = f"<{'a' * 64}@triage.test>"
    for thread, named in ((first, first), ("https://elsewhere.test", None), ("<a@b>\r\nBcc: all@b", None)):
        raw = unencrypted(1).render(request({**HoldSubject.content, "thread": thread}))
        mail = read(raw)
        assert raw.count(first.encode()) == (2 if named else 0)
        assert (mail["in-reply-to"], mail["references"], mail["bcc"]) == (named, named, None)


@pytest.mark.parametrize(("on_unknown", "kind"), [("hold", ToolClass.BLIND), ("resend", ToolClass.REPEATED)])
def test_its_owner_decides_on_an_unknown_outcome(on_unknown: str, kind: ToolClass) -> None:
    """It waits for a person, or it is sent again."""
    assert unencrypted(1, on_unknown=on_unknown).spec.tool_class is kind


@pytest.mark.parametrize(
    "wrong",
    [{"tls": "none", "user": "u"}, {"sender": "nobody"}, {"sender": "a@b\r\nc: d"}, {"host": "a b"}, {"tls": "maybe"}],
)
def test_wrong_settings_are_named(wrong: dict[str, str]) -> None:
    """A password is not sent in the clear, and what is no address or host is none."""
    with pytest.raises(ValidationError):
        Settings(**{"host": "mail.test", "sender": "a@b.test", **wrong})
