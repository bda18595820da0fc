"""Mail, handed to a submission server by SMTP.

SMTP has no key and cannot be asked, and its last answer can be lost after the server took the mail (RFC 1047). So an
unknown outcome waits for a person, or, if the settings say `resend`, the same mail is sent again. Its Message-ID is
made of the key, so receivers that drop repeats (Sieve's `duplicate`, some mailbox servers) keep one of the two.

The mail is the same bytes in every attempt but for `Date`, which `send` puts before them: it must be the time of the
sending, few submission servers add a missing one, and a mail without it is taken for spam.
"""

import email.policy
import email.utils
import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta
from email.headerregistry import HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from triage.errors import Refused
from triage.model import Finding, Json, Rate, Request, Sent, ToolSpec
from triage.text.body import notice_text, title
from triage.text.flavours import HTML, PLAIN
from triage.tools.adapter import Adapter, text_of
from triage.tools.addresses import is_address
from triage.tools.notifiers.notice import UnaskableSettings, checked
from triage.tools.smtp import Server, Session
from triage.tools.transport import Transport

PORTS = {"starttls": 587, "implicit": 465, "none": 25}
"""RFC 6409, RFC 8314, RFC 5321."""
LONGEST_TEXT = 100_000
"""Characters of each form of the text: servers must take 64 KiB (RFC 5321, 4.5.3.1.7), in practice megabytes."""
LONGEST_SUBJECT = 200
OUR_ID = re.compile(r"<[0-9a-f]{64}@[a-z0-9.-]+>")
HEADERS = HeaderRegistry()
for _name in ("in-reply-to", "references"):  # else ids longer than a line are encoded like words
    HEADERS.map_to_type(_name, MessageIDHeader)  # type: ignore[arg-type]  # typeshed wants its base
PLAIN_POLICY = email.policy.SMTP.clone(max_line_length=76, header_factory=HEADERS)
WIDE_POLICY = email.policy.SMTPUTF8.clone(max_line_length=76, header_factory=HEADERS)

Sender = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]+@[A-Za-z0-9.-]+$")]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]+$", max_length=255)]


class Settings(UnaskableSettings):
    """A submission server. Targets are addresses of mailboxes."""

    kind: Literal["email"] = "email"
    host: Host = Field(description="the submission server")
    port: int = Field(default=0, ge=0, le=65535, description="none: 587, with implicit TLS 465, without TLS 25")
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="`none` sends in the clear, for a server on the same machine"
    )
    sender: Sender = Field(description="the address that mails come from, in ASCII; its domain is in every Message-ID")
    user: str = Field(default="", max_length=500, description="none: no login")
    password: SecretStr = Field(default=SecretStr(""), description="shown nowhere")
    html: bool = Field(default=False, description="also as HTML")
    rate: Annotated[int, Field(ge=1, description="mails a minute that the server takes from us")] = 60

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.tls == "none" and self.user:
            raise ValueError("a password is not sent without TLS: set `tls`, or no `user`")
        if not is_address(self.sender):
            raise ValueError("`sender` is no address of a mailbox")
        return self

    def open(self, name: str, transport: Transport) -> "Email":
        """The tool that is set so."""
        spec = ToolSpec(name, self.tool_class, self.timeout, rate=Rate(self.rate, timedelta(minutes=1)))
        return Email(spec, transport, self)


class Email(Adapter):
    """A `Tool` that submits one mail to one address; the object's id is the Message-ID."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec)
        self._transport = transport
        self._settings = settings
        self._domain = settings.sender.rpartition("@")[2].lower()
        port = settings.port or PORTS[settings.tls]
        self._server = Server(settings.host, port, settings.tls, self._domain)

    def render(self, request: Request) -> bytes:
        """The mail without `Date`; lines end with CRLF, all is 7 bit unless the address is beyond ASCII."""
        mail = EmailMessage(PLAIN_POLICY if request.target.isascii() else WIDE_POLICY)
        for name, value in self._headers(request):
            mail[name] = value
        mail.set_content(notice_text(request.content, PLAIN, LONGEST_TEXT), cte="quoted-printable")
        if self._settings.html:
            mail.add_alternative(_page(request.content), subtype="html", cte="quoted-printable")
            mail.set_boundary(f"=_{hashlib.sha256(request.key.encode()).hexdigest()[:32]}")
        return mail.as_bytes()

    def send(self, request: Request) -> Sent:
        """Submit it once; see `ports.Tool`."""
        if not is_address(request.target):
            raise Refused(f"{request.target!r} is no address that mail can be sent to")
        mail = self.render(request)
        with self._session(request.deadline) as session:
            session.submit(self._settings.sender, request.target, _date() + mail, self._transport)
        return Sent(self._message_id(request))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether the server answers, speaks TLS as it is set, and accepts the credentials; no mail is begun."""
        place = f"{self._server.host}:{self._server.port}"
        yield checked(
            f"server {place}", lambda: self._greeting(deadline), "set `host`, `port`, `tls`, `user`, `password`"
        )
        if self._settings.tls == "none":
            yield Finding("encryption", True, "none: mails cross the network in the clear")

    def _greeting(self, deadline: float) -> str:
        with self._session(deadline) as session:
            login = f" and accepts {self._settings.user}" if self._settings.user else ""
            return f"answers{login}; it offers {', '.join(sorted(session.extensions))}"

    def _session(self, deadline: float) -> Session:
        session = Session.open(self._server, self._transport, deadline)
        try:
            if self._settings.user:
                session.login(self._settings.user, self._settings.password.get_secret_value())
        except BaseException:
            session.close()
            raise
        return session

    def _headers(self, request: Request) -> Iterable[tuple[str, str]]:
        yield "From", f"triage <{self._settings.sender}>"
        if is_address(request.target):
            yield "To", request.target
        named = text_of(request.content, "title") or text_of(request.content, "text")
        yield "Subject", title({"title": named}, LONGEST_SUBJECT, PLAIN)
        yield "Message-ID", self._message_id(request)
        thread = text_of(request.content, "thread")
        if OUR_ID.fullmatch(thread):
            yield "In-Reply-To", thread
            yield "References", thread
        yield "Auto-Submitted", "auto-generated"  # RFC 3834: nobody's absence is answered to us
        yield "X-Auto-Response-Suppress", "All"  # the same for Exchange

    def _message_id(self, request: Request) -> str:
        return f"<{request.key}@{self._domain}>"


def _page(content: Json) -> str:
    return f"<!DOCTYPE html>\n<html><body>\n{notice_text(content, HTML, LONGEST_TEXT)}\n</body></html>\n"


def _date() -> bytes:
    return f"Date: {email.utils.formatdate()}\r\n".encode()
