"""How the transport keeps, distrusts and gives up its connections, and what TLS changes."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.canned import HOME, OK, Behaviour, Seen, post, replying, replying_once, serving
from triage.errors import NotSent, OutcomeUnknown
from triage.tools.connection import Connection
from triage.tools.transport import Transport


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport that is closed afterwards."""
    transport = Transport(egress=HOME)
    yield transport
    transport.close()


def test_a_connection_is_used_again(transport: Transport) -> None:
    """Calls in a row share one connection, also with interim answers in between."""
    with serving(replying(OK, b"HTTP/1.1 100 Continue\r\n\r\n" + OK)) as seen:
        assert {post(transport, seen.url) for _ in range(5)} == {b'{"id":"1"}'}
    assert (seen.connections, len(seen.requests)) == (1, 5)


@pytest.mark.parametrize("answer", [OK, OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")])
def test_a_connection_that_the_server_closed_is_not_used(transport: Transport, answer: bytes) -> None:
    """A connection that was closed while idle costs a new one, and no unknown outcome."""
    with serving(replying_once(answer)) as seen:
        for _ in range(3):
            post(transport, seen.url)
            time.sleep(0.05)
    assert (seen.connections, len(seen.requests)) == (3, 3)


def test_an_old_connection_is_not_used() -> None:
    """A connection that was idle for longer than allowed is not trusted, open as it may look."""
    with serving(replying(OK)) as seen, closing(Transport(keepalive=0.05, egress=HOME)) as transport:
        for _ in range(2):
            post(transport, seen.url)
            time.sleep(0.1)
    assert (seen.connections, len(seen.requests)) == (2, 2)


def test_a_kept_connection_that_breaks_is_unknown(transport: Transport) -> None:
    """A kept connection that ends after the request left is unknown, and the request is not sent again."""

    def behave(client: socket.socket, seen: Seen) -> None:
        seen.read(client)
        client.sendall(OK)
        seen.read(client)

    with serving(behave) as seen:
        post(transport, seen.url)
        with pytest.raises(OutcomeUnknown):
            post(transport, seen.url)
    assert (seen.connections, len(seen.requests)) == (1, 2)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_stray_bytes_are_nobodys_answer(transport: Transport, *, late: bool) -> None:
    """A second answer that nobody asked for is not taken for the next call's."""

    def behave(client: socket.socket, seen: Seen) -> None:
        while seen.read(client):
            number = b"%d" % len(seen.requests)
            answer, stray = OK.replace(b'"1"', b'"%s"' % number), OK.replace(b'"1"', b'"X"')
            client.sendall(answer if late else answer + stray)
            time.sleep(0.05)
            client.sendall(stray if late else b"")

    with serving(behave) as seen:
        for number in (1, 2):
            assert post(transport, seen.url) == b'{"id":"%d"}' % number
            time.sleep(0.1 if late else 0)


def test_a_first_write_that_fails_is_provably_not_sent() -> None:
    """If the very first write fails, not a byte left, and it may be sent again without asking."""
    ours, theirs = socket.socketpair()
    theirs.close()
    connection = Connection(ours)
    with pytest.raises(NotSent):
        connection.send(b"x", time.monotonic() + 1)
    connection.close()


def test_a_later_write_that_fails_is_unknown() -> None:
    """If some bytes left and the rest did not get out in time, the outcome is unknown."""
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    with theirs, pytest.raises(OutcomeUnknown):
        connection.send(b"x" * 10_000_000, time.monotonic() + 0.1)
    connection.close()


def test_a_forked_child_opens_its_own_connections(transport: Transport) -> None:
    """A child process leaves the parent's connections alone, and the parent's still work afterwards."""
    with serving(replying(OK)) as seen:
        post(transport, seen.url)
        child = os.fork()
        if child == 0:
            os._exit(0 if post(transport, seen.url) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        post(transport, seen.url)
    assert (seen.connections, len(seen.requests)) == (2, 3)


def test_threads_do_not_mix_their_answers(transport: Transport) -> None:
    """Eight threads at once get each their own answer."""

    def echo(client: socket.socket, seen: Seen) -> None:
        while request := seen.read(client):
            marker = request.partition(b"X-Marker: ")[2][:6]
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n" + marker)

    wrong: list[str] = []

    def call(thread: int) -> None:
        for number in range(50):
            marker = f"{thread:02}-{number:03}"
            answer = transport.post(seen.url, b"{}", [("X-Marker", marker)], time.monotonic() + 5)
            if answer.body != marker.encode():
                wrong.append(marker)

    with serving(echo) as seen:
        threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (wrong, len(seen.requests)) == ([], 400)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", path, "-out", path], check=True, capture_output=True)
    return path


def behind_tls(certificate: Path, behaviour: Behaviour) -> Behaviour:
    """The same behaviour inside TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def behave(client: socket.socket, seen: Seen) -> None:
        with context.wrap_socket(client, server_side=True) as inner:
            behaviour(inner, seen)

    return behave


def test_tls_works_and_keeps_its_connection(certificate: Path) -> None:
    """Over TLS with a trusted certificate, calls in a row share one connection."""
    trust = ssl.create_default_context(cafile=str(certificate))
    with (
        serving(behind_tls(certificate, replying(OK))) as seen,
        closing(Transport(tls=trust, egress=HOME)) as transport,
    ):
        assert {post(transport, seen.url.replace("http", "https"), patience=2) for _ in range(3)} == {b'{"id":"1"}'}
    assert (seen.connections, len(seen.requests)) == (1, 3)


def test_an_untrusted_certificate_is_not_sent(transport: Transport, certificate: Path) -> None:
    """Without trust in the certificate not a byte of the request leaves."""
    with serving(behind_tls(certificate, replying(OK))) as seen, pytest.raises(NotSent, match="CERTIFICATE"):
        post(transport, seen.url.replace("http", "https"), patience=2)
    assert seen.requests == []
