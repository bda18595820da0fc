"""One SMTP session on a socket that was checked: every wait ends at the deadline, every answer is judged.

Why not `smtplib`: its time-outs start anew with each line, and it does not tell the moment from which a mail may be on
its way, the final dot. Up to there the server has promised nothing (RFC 5321, 4.1.1.4).
"""

import base64
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Self

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.tools.names import time_left
from triage.tools.transport import Transport, brief, excerpt

READ_SIZE = 4096
LONGEST_ANSWER = 64 * 1024
"""Bytes of all lines of one answer."""
LINE = re.compile(rb"(\d{3})([ -]?)([^\r\n]*)\r?\n")
END = b"\r\n.\r\n"
REFUSALS = range(500, 600)
CREDENTIALS = {530, 534, 535, 538}
"""RFC 4954: they ask for other credentials, which people mend."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: its code and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return excerpt(f"{self.code} {' '.join(self.lines)}".encode())


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is submitted: `tls` is `starttls`, `implicit` or `none`; `helo` is what we call ourselves."""

    host: str
    port: int
    tls: str
    helo: str


@dataclass(slots=True)
class Session:
    """A connection that was greeted, and encrypted as the settings say; closed by leaving its `with`."""

    server: Server
    deadline: float
    _socket: socket.socket
    _buffer: bytearray = field(default_factory=bytearray)
    extensions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, server: Server, transport: Transport, deadline: float) -> Self:
        """Connect, greet, encrypt.

        Raises:
            NotSent: nobody there, no TLS, or "not now".
            Refused: the destination is not allowed, or the server wants nothing from us.
        """
        session = cls(server, deadline, transport.connect(server.host, server.port, deadline))
        try:
            session._greet(transport.context() if server.tls != "none" else None)
        except BaseException:
            session.close()
            raise
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def close(self) -> None:
        """Say good-bye if that can be done at once, and close."""
        try:
            self._socket.settimeout(0.05)
            self._socket.sendall(b"QUIT\r\n")
        except OSError:
            pass
        self._socket.close()

    def login(self, user: str, password: str) -> None:
        """Prove who we are; raises `NotSent` where that is not accepted, as people will mend it."""
        offered = self.extensions.get("AUTH", "").upper().split()
        if "PLAIN" in offered:
            reply = self._ask(b"AUTH PLAIN " + _encoded(f"\0{user}\0{password}"))
        elif "LOGIN" in offered:
            self._expect(self._ask(b"AUTH LOGIN"), 334)
            self._expect(self._ask(_encoded(user)), 334)
            reply = self._ask(_encoded(password))
        else:
            raise NotSent(f"{self.server.host} takes neither AUTH PLAIN nor AUTH LOGIN")
        if reply.code != 235:  # noqa: PLR2004 - RFC 4954
            raise NotSent(f"{self.server.host} does not accept our credentials: {reply}")

    def submit(self, sender: str, recipient: str, mail: bytes, transport: Transport) -> None:
        """Send one mail, whose lines end with CRLF and which is 7 bit except where `SMTPUTF8` is offered.

        The hook is asked directly before the final dot.

        Raises:
            NotSent: surely nothing was sent.
            OutcomeUnknown: the final dot left, and no answer to it came.
            Refused: a definite no.
        """
        self._command(f"MAIL FROM:<{sender}>{self._parameters(recipient, mail)}", 250)
        self._command(f"RCPT TO:<{recipient}>", 250)
        self._command("DATA", 354)
        self._write(_stuffed(mail))
        transport.about_to_send(self.deadline)
        try:
            self._write(END if not mail.endswith(b"\r\n") else END[2:])
            reply = self._read()
        except NotSent as error:
            raise OutcomeUnknown(f"the mail was sent, and {error}") from error
        if reply.code != 250 and reply.code not in REFUSALS:  # noqa: PLR2004 - RFC 5321
            # A 4xx should mean that it was not taken. It also comes from filters and proxies that lost sight of a mail
            # which they had passed on, and sending it again would double that one; after a 5xx nobody does.
            raise OutcomeUnknown(f"the mail was sent, and {self.server.host} said: {reply}")
        self._expect(reply, 250)

    def _parameters(self, recipient: str, mail: bytes) -> str:
        size = self.extensions.get("SIZE")
        if size and size.isdigit() and 0 < int(size) < len(mail):
            raise Refused(f"the mail is {len(mail)} bytes long, {self.server.host} takes {size}")
        wanted = f" SIZE={len(mail)}" if size is not None else ""
        if recipient.isascii():
            return wanted
        if "SMTPUTF8" not in self.extensions or "8BITMIME" not in self.extensions:
            raise Refused(f"{self.server.host} takes only addresses in ASCII (no SMTPUTF8), which {recipient!r} is not")
        return f"{wanted} BODY=8BITMIME SMTPUTF8"

    def _greet(self, context: ssl.SSLContext | None) -> None:
        if context and self.server.tls == "implicit":
            self._encrypt(context)
        self._expect(self._read(), 220)
        self._hello()
        if context and self.server.tls == "starttls":
            if "STARTTLS" not in self.extensions:
                raise NotSent(f"{self.server.host} does not offer STARTTLS, and nothing is sent in the clear")
            self._command("STARTTLS", 220)
            if self._buffer:
                raise NotSent(f"{self.server.host} went on talking in the clear after STARTTLS")
            self._encrypt(context)
            self._hello()

    def _hello(self) -> None:
        reply = self._command(f"EHLO {self.server.helo}", 250)
        words = (line.partition(" ") for line in reply.lines[1:])
        self.extensions = {name.upper(): rest for name, _, rest in words}

    def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            self._socket.settimeout(time_left(self.deadline))
            self._socket = context.wrap_socket(self._socket, server_hostname=self.server.host)
        except (OSError, ValueError) as error:
            raise NotSent(f"no TLS with {self.server.host}: {brief(error)}") from error

    def _command(self, line: str, code: int) -> Reply:
        return self._expect(self._ask(line.encode()), code)

    def _ask(self, line: bytes) -> Reply:
        self._write(line + b"\r\n")
        return self._read()

    def _expect(self, reply: Reply, code: int) -> Reply:
        """The reply if it is a success of this kind."""
        if reply.code == code or (code == 250 and reply.code in {251, 252}):  # noqa: PLR2004 - RFC 5321
            return reply
        definite = reply.code in REFUSALS and reply.code not in CREDENTIALS
        raise (Refused if definite else NotSent)(f"{self.server.host} said: {reply}")

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                self._socket.settimeout(time_left(self.deadline))
                rest = rest[self._socket.send(rest) :]
        except OSError as error:
            raise NotSent(f"the connection to {self.server.host} broke: {brief(error)}") from error

    def _read(self) -> Reply:
        lines: list[str] = []
        code, more = 0, b"-"
        while more == b"-":
            found = LINE.match(self._line())
            if found is None:
                raise NotSent(f"{self.server.host} does not speak SMTP")
            code, more = int(found[1]), found[2]
            lines.append(found[3].decode("utf-8", "replace"))
        return Reply(code, tuple(lines))

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_ANSWER:
                raise NotSent(f"{self.server.host} talks without end")
            try:
                self._socket.settimeout(time_left(self.deadline))
                piece = self._socket.recv(READ_SIZE)
            except OSError as error:
                raise NotSent(f"no answer from {self.server.host}: {brief(error)}") from error
            if not piece:
                raise NotSent(f"{self.server.host} closed the connection")
            self._buffer += piece
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer = bytearray(rest)
        return line + b"\n"


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


def _stuffed(mail: bytes) -> bytes:
    """With a second dot in front of each line that starts with one (RFC 5321, 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", mail)
