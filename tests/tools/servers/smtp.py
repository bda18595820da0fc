"""An SMTP server that keeps what it took, and breaks single mails on request; in this process or in one of its own."""

import asyncio
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

from tests.tools.servers.mailbox import Mail, Mailbox
from triage.testing.faults import NO_FAULT, Fault, FaultKind
from triage.testing.proxy.caller import RST_ON_CLOSE

HOST = "127.0.0.1"
USER, PASSWORD = "triage", "opens-nothing"
START_LIMIT = STOP_LIMIT = 10.0
COMMIT_AT_ONCE = {
    FaultKind.NONE,
    FaultKind.COMMIT_THEN_DROP,
    FaultKind.ERROR_AFTER,
    FaultKind.GARBAGE,
    FaultKind.HANG_AFTER_COMMIT,
    FaultKind.SLOW,
}
COMMIT_LATE = {FaultKind.LATE_COMMIT, FaultKind.HANG_LATE_COMMIT}
DROP = {FaultKind.COMMIT_THEN_DROP, FaultKind.LATE_COMMIT}
HANG = {FaultKind.HANG, FaultKind.HANG_AFTER_COMMIT, FaultKind.HANG_LATE_COMMIT}
ANSWERS = {
    FaultKind.ERROR_BEFORE: "451 Local error in processing",
    FaultKind.ERROR_AFTER: "451 Local error in processing",
    FaultKind.GARBAGE: "It works!",
}
"""Of what follows DATA; everything else is answered with 250. `huge` is no fault of mail."""
AT_SENDER = {FaultKind.TOO_MANY: "451 Try again later"}
AT_RECIPIENT = {FaultKind.REFUSE: "550 No such user here"}
FOREVER = 3600.0


@dataclass(slots=True)
class Handler:
    """What aiosmtpd calls for one connection; a fault is taken when a mail begins, and holds until it ends."""

    mailbox: Mailbox
    script: deque[Fault]
    fault: Fault = NO_FAULT

    async def handle_MAIL(self, server: Any, _session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        """MAIL FROM."""
        self.fault = self.script.popleft() if self.script else NO_FAULT
        if self.fault.kind is FaultKind.RESET_BEFORE:
            _hang_up(server)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return AT_SENDER.get(self.fault.kind, "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802
        """RCPT TO."""
        if self.fault.kind in AT_RECIPIENT:
            return AT_RECIPIENT[self.fault.kind]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """What follows DATA has arrived."""
        kind, seconds = self.fault.kind, self.fault.seconds
        mail = Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content.decode(errors="replace"), time.time())
        if kind in COMMIT_AT_ONCE:
            self.mailbox.append({"mail": asdict(mail)})
        if kind in COMMIT_LATE:
            asyncio.get_running_loop().call_later(seconds, self.mailbox.append, {"mail": asdict(mail)})
        if kind in DROP:
            _hang_up(server)
        await asyncio.sleep(FOREVER if kind in HANG else seconds if kind is FaultKind.SLOW else 0)
        return ANSWERS.get(kind, "250 OK")


class Counting(SMTP):
    """Writes down each DATA command that it lets go on, before the first byte of the mail."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """DATA."""
        if self.envelope is not None and self.envelope.rcpt_tos:
            self.event_handler.mailbox.append({"data": True})
        await super().smtp_DATA(arg)


class Smtp(Mailbox):
    """A running server. A client must trust `ca_file` to accept its certificate, for 127.0.0.1 and localhost."""

    host = HOST
    user, password = USER, PASSWORD

    def __init__(self, path: Path, port: int, ca_file: Path) -> None:
        super().__init__(path)
        self.port = port
        self.ca_file = ca_file

    def script(self, *faults: str | Fault) -> None:
        """Let the next mails meet these faults, one each, in order.

        `429` refuses the sender with 451, `refuse` the recipient with 550, `reset_before` hangs up at MAIL FROM: all
        before DATA. `500_before` and `500_after` answer 451 after it. The rest is as for HTTP; `huge` is not known.
        """
        parsed = [Fault.parse(fault) for fault in faults]
        if any(fault.kind is FaultKind.HUGE for fault in parsed):
            raise ValueError("`huge` is no fault of mail")
        self._tell(parsed)

    def _tell(self, faults: list[Fault]) -> None:
        raise NotImplementedError


class InThread(Smtp):
    """A server on a thread of this process."""

    def __init__(self, path: Path, port: int, ca_file: Path) -> None:
        super().__init__(path, port, ca_file)
        self.faults: deque[Fault] = deque()

    def _tell(self, faults: list[Fault]) -> None:
        self.faults.extend(faults)


class InProcess(Smtp):
    """A server in a process of its own, which survives the death of those who call it."""

    process: subprocess.Popen[str]

    def _tell(self, faults: list[Fault]) -> None:
        """Returns when the process has understood."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self.process.stdin.write(json.dumps([fault.as_json() for fault in faults]) + "\n")
        self.process.stdin.flush()
        self.process.stdout.readline()


def missing() -> str:
    """Nothing: it comes with the development dependencies."""
    return ""


@contextmanager
def smtp(*, starttls: bool = True, login: bool = False, path: Path | None = None, port: int = 0) -> Iterator[InThread]:
    """Serve from a thread. With `login` nothing is taken before AUTH, which needs STARTTLS.

    `path` is where mails are written, else a file that is gone afterwards.
    """
    if login and not starttls:
        raise ValueError("a login needs STARTTLS")
    with tempfile.TemporaryDirectory(prefix="triage-smtp-") as folder:
        server = InThread(path or Path(folder) / "mails.jsonl", port, Path(folder) / "ca.pem")
        with _serving(server, _options(server.ca_file, starttls=starttls, login=login)):
            yield server


@contextmanager
def smtp_process(
    *, starttls: bool = True, login: bool = False, path: Path | None = None, port: int = 0
) -> Iterator[InProcess]:
    """The same in a process of its own, which ends with this one."""
    wish = json.dumps({"starttls": starttls, "login": login, "path": path and str(path), "port": port})
    with subprocess.Popen(
        [sys.executable, "-m", "tests.tools.servers.smtp", wish],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        told = json.loads(line or "{}")
        if not told:
            raise RuntimeError("the mail server did not start")
        server = InProcess(Path(told["path"]), told["port"], Path(told["ca_file"]))
        server.process = process
        yield server


@contextmanager
def _serving(server: InThread, options: dict[str, Any]) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="smtp", daemon=True)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(_listen(server, options), loop).result(START_LIMIT)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(_close(listening), loop).result(STOP_LIMIT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _listen(server: InThread, options: dict[str, Any]) -> asyncio.Server:
    loop = asyncio.get_running_loop()

    def connected() -> Counting:
        return Counting(Handler(server, server.faults), loop=loop, hostname="mail.triage.test", **options)

    listening = await loop.create_server(connected, HOST, server.port)
    server.port = listening.sockets[0].getsockname()[1]
    return listening


async def _close(listening: asyncio.Server) -> None:
    """End what hangs too; what would commit late does not."""
    listening.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _options(ca_file: Path, *, starttls: bool, login: bool) -> dict[str, Any]:
    if not starttls:
        return {}
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST, "localhost").configure_cert(context)
    return {"tls_context": context, "auth_required": login, "authenticator": _authenticate if login else None}


def _authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


def _hang_up(server: SMTP) -> None:
    server.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
    server.transport.abort()


def main(arguments: list[str]) -> int:
    """Serve until standard input ends; each of its lines is a script of faults."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # clients that are killed in the middle are no news here
    wish = json.loads(arguments[0])
    path = wish["path"] and Path(wish["path"])
    with smtp(starttls=wish["starttls"], login=wish["login"], path=path, port=wish["port"]) as server:
        _say({"path": str(server.path), "port": server.port, "ca_file": str(server.ca_file)})
        for line in sys.stdin:
            server.script(*(Fault(FaultKind(fault["kind"]), fault["seconds"]) for fault in json.loads(line)))
            _say({})
    return 0


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
