"""Mail in front of a real SMTP server (aiosmtpd), which breaks single mails itself: no proxy speaks SMTP."""

import ssl
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.tools.servers import smtp
from triage.model import Json
from triage.testing.faults import Fault
from triage.testing.proxy import Answer, Exchange, ProxyControls
from triage.tools.egress import Egress
from triage.tools.notifiers import email
from triage.tools.transport import Transport


class _Controls(ProxyControls):
    """The mail server in the words of a proxy: each DATA that it let go on is a write."""

    def __init__(self, server: smtp.InThread) -> None:
        super().__init__("http://mail.triage.test")
        self._server = server
        self.reset()

    def script(self, *steps: str | Fault | Answer, match: str = "", reads: bool = False) -> None:  # noqa: ARG002
        self._server.script(*(step for step in steps if not isinstance(step, Answer)))

    @property
    def writes(self) -> int:
        return self._server.data_commands - self._writes

    @property
    def forwarded(self) -> int:
        return len(self._server.messages) - self._mails

    @property
    def unmet(self) -> int:
        return len(self._server.faults)

    @property
    def requests(self) -> list[Exchange]:
        mails = self._server.messages[self._mails :]
        return [Exchange("DATA", "", {}, _undated(mail.text), True, "") for mail in mails]

    def reset(self) -> None:
        self._server.faults.clear()
        self._writes, self._mails = self._server.data_commands, len(self._server.messages)


class _Email:
    kind = "email"
    against = "real server: aiosmtpd"
    on_unknown: str
    target = "people@triage.test"
    unknown_target = "no address"
    can_delete = False
    http = False
    links = False
    patience = 0.4
    content: ClassVar[Json] = {
        "text": "[high] bug: Export crashes",
        "title": "Export crashes",
        "link": "https://tickets.test/1",
        "severity": "high",
        "kind": "bug",
        "component": "export",
        "thread": "",
    }
    impossible: ClassVar[dict[str, str]] = {
        "invented": "it takes any text",
    }

    def __init__(self, folder: Path) -> None:  # noqa: ARG002
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.server = self._stack.enter_context(smtp.smtp(login=True))
        self.proxy = _Controls(self.server)
        trust = ssl.create_default_context(cafile=str(self.server.ca_file))
        self.transport = Transport(tls=trust, egress=Egress(["127.0.0.1"]))
        self.tool = self.opened()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def imposter(self) -> email.Email:
        """With a password that is not accepted."""
        return self.opened(password="not-the-password")  # noqa: S106 - opens nothing

    def opened(self, **changed: Any) -> email.Email:
        """The tool in front of the server."""
        ours = {"host": self.server.host, "port": self.server.port, "sender": "triage@triage.test"}
        login = {"user": self.server.user, "password": self.server.password, "timeout": timedelta(seconds=2)}
        return email.Settings(**{**ours, **login, "on_unknown": self.on_unknown, **changed}).open(
            "mail", self.transport
        )

    def objects(self, key: str) -> list[str]:
        return [mail.message_id for mail in self.server.with_id(f"<{key}@triage.test>")]

    def delete(self, remote_id: str) -> None:
        raise AssertionError(f"{remote_id} cannot be called back")

    def drop_marker(self, on: bool) -> bool:  # noqa: ARG002
        return False

    def invented(self) -> Json:
        return self.content

    def arrived(self, remote_id: str) -> str:
        """What a reader sees: subject and text."""
        (mail, *_) = self.server.with_id(remote_id)
        text = mail.message.get_payload(decode=True)
        return f"{_subject(mail.message['subject'])}\n{text.decode() if isinstance(text, bytes) else text}"


class HoldSubject(_Email):
    """A person decides on an unknown outcome."""

    on_unknown = "hold"


class ResendSubject(_Email):
    """The same mail is sent again."""

    on_unknown = "resend"


def _undated(text: str) -> bytes:
    """The mail without its first line, the date of sending."""
    date, _, rest = text.partition("\r\n")
    assert date.startswith("Date: ")
    return rest.encode()


def _subject(raw: Any) -> str:
    from email.header import decode_header, make_header  # noqa: PLC0415 - this module's name is `email` too

    return str(make_header(decode_header(raw)))
