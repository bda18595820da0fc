"""The tool server itself: it keeps the books honestly and misbehaves as promised."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import pytest

from triage.testing import Controls, Entry, FaultKind, Settings, ToolProcess, ToolServer

SHORT = 0.3


@pytest.fixture(scope="module")
def running() -> Iterator[ToolServer]:
    """One server for all tests of this file."""
    with ToolServer(Settings(read_timeout=SHORT)) as server:
        yield server


@pytest.fixture
def server(running: ToolServer) -> ToolServer:
    """The server, as if just started."""
    running.reset()
    return running


def post(
    server: Controls, endpoint: str, sent_key: str = "", *, patience: float = 5, **body: object
) -> tuple[int, Any]:
    """Post once, with the key in the header if there is one; the status and the answer's JSON."""
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=patience)
    try:
        connection.request("POST", f"/{endpoint}", json.dumps(body), {"Idempotency-Key": sent_key} if sent_key else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def raw(server: ToolServer) -> socket.socket:
    """A plain connection."""
    url = urlsplit(server.url)
    return socket.create_connection((url.hostname, url.port), timeout=2)


def test_keyed_recognises_a_repeat(server: ToolServer) -> None:
    """A repeated key is answered with the first object and commits nothing."""
    assert post(server, "keyed/a", "k", n=1)[0] == HTTPStatus.CREATED
    status, answer = post(server, "keyed/a", "k", n=1)
    assert (status, answer["id"]) == (200, "a-1")
    assert (server.entry("keyed/a").commits, server.entry("keyed/a").attempts) == (1, 2)


def test_keyed_without_the_header_keeps_no_key(server: ToolServer) -> None:
    """A key that stands only in the body protects from nothing."""
    post(server, "keyed/a", key="k")
    post(server, "keyed/a", key="k")
    assert server.entry("keyed/a").duplicates == ("k",)


def test_windowed_forgets(server: ToolServer) -> None:
    """After the window the same key makes a second object, which the ledger calls a duplicate."""
    server.configure(key_window=0.4)
    post(server, "windowed/a", "k")
    assert post(server, "windowed/a", "k")[0] == HTTPStatus.OK
    time.sleep(0.45)
    assert post(server, "windowed/a", "k")[0] == HTTPStatus.CREATED
    assert server.entry("windowed/a").duplicates == ("k",)


def test_blind_commits_whatever_comes(server: ToolServer) -> None:
    """A blind endpoint heeds no key."""
    assert [post(server, "blind/a", "k")[0] for _ in range(2)] == [201, 201]


def test_the_ledger_tells_what_was_made(server: ToolServer) -> None:
    """Every commit is listed with its id, key and body, and endpoints are kept apart."""
    post(server, "blind/a", "k1", n=1)
    post(server, "blind/a", "k2", n=2)
    post(server, "keyed/a", "k1")
    listed = [(commit.id, commit.key, commit.body) for commit in server.commits("blind/a")]
    assert listed == [("a-1", "k1", {"n": 1}), ("a-2", "k2", {"n": 2})]
    assert server.ledger()["keyed/a"].keys == ("k1",)


def test_a_script_is_used_up_in_order(server: ToolServer) -> None:
    """Each scripted fault hits one request, `none` holds a place, and then all is well."""
    server.script("blind/a", "refuse", "none", "500_before")
    assert [post(server, "blind/a")[0] for _ in range(4)] == [422, 201, 500, 201]


def test_a_script_for_any_endpoint(server: ToolServer) -> None:
    """A fault scripted for `*` hits whichever endpoint is called next."""
    server.script("*", "refuse")
    assert [post(server, "blind/b")[0], post(server, "keyed/c")[0]] == [422, 201]


def test_a_schedule_depends_on_seed_and_key_alone(server: ToolServer) -> None:
    """The same seed strikes the same keys in any order, and roughly as often as asked."""

    def struck(order: list[str]) -> set[str]:
        server.reset()
        server.schedule(seed=7, rates={"refuse": 0.3})
        return {key for key in order if post(server, "blind/a", key)[0] == HTTPStatus.UNPROCESSABLE_ENTITY}

    keys = [f"key-{n}" for n in range(100)]
    assert struck(keys) == struck(keys[::-1])
    assert len(struck(keys)) == pytest.approx(30, abs=15)


def test_a_schedule_leaves_look_ups_alone(server: ToolServer) -> None:
    """Chance strikes posts only, so that what happened can always be asked."""
    server.schedule(1, {"refuse": 1.0})
    with raw(server) as client:
        client.sendall(b"GET /findable/a?marker=k HTTP/1.1\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert post(server, "findable/a")[0] == HTTPStatus.UNPROCESSABLE_ENTITY


def test_an_unknown_fault_is_not_accepted(server: ToolServer) -> None:
    """A misspelt fault, setting or rate is an error, and none of that wish holds."""
    with pytest.raises(ValueError, match="comit"):
        server.script("blind/a", "refuse", "comit")
    with pytest.raises(ValueError, match="dealy"):
        server.configure(dealy=1)
    with pytest.raises(ValueError, match="more than 1"):
        server.schedule(1, {"hang": 0.7, "refuse": 0.7})
    assert post(server, "blind/a")[0] == HTTPStatus.CREATED


def test_a_dropped_answer_was_committed(server: ToolServer) -> None:
    """The client sees the connection end, and the object is there."""
    server.script("blind/a", FaultKind.COMMIT_THEN_DROP)
    with pytest.raises(RemoteDisconnected):
        post(server, "blind/a")
    assert server.entry("blind/a").commits == 1


@pytest.mark.parametrize("kind", [FaultKind.LATE_COMMIT, FaultKind.HANG_LATE_COMMIT])
def test_a_late_commit_comes_after_the_client_left(server: ToolServer, kind: FaultKind) -> None:
    """Nothing is there when the client gives up, and later it is."""
    server.script("blind/a", {"kind": kind, "seconds": 2 * SHORT})
    with pytest.raises((RemoteDisconnected, TimeoutError)):
        post(server, "blind/a", patience=SHORT)
    assert server.entry("blind/a").commits == 0
    time.sleep(2 * SHORT)
    assert server.entry("blind/a").commits == 1


def test_a_late_commit_does_not_outlive_a_reset(server: ToolServer) -> None:
    """What commits after a reset is not mixed into the new books."""
    server.script("blind/a", {"kind": "late_commit", "seconds": 0.3})
    with pytest.raises(RemoteDisconnected):
        post(server, "blind/a")
    server.reset()
    time.sleep(0.35)
    assert server.entry("blind/a").commits == 0


def test_a_scripted_reset_comes_before_the_body_is_read(server: ToolServer) -> None:
    """The connection is reset on the head alone, and counts as an attempt."""
    server.script("blind/a", FaultKind.RESET_BEFORE)
    with raw(server) as client:
        client.sendall(b"POST /blind/a HTTP/1.1\r\ncontent-length: 10\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    entry = server.entry("blind/a")
    assert (entry.attempts, entry.commits) == (1, 0)


def test_a_scheduled_reset_is_one_too(server: ToolServer) -> None:
    """A reset by chance ends the connection and commits nothing."""
    server.schedule(1, {"reset_before": 1.0})
    with pytest.raises(ConnectionResetError):
        post(server, "blind/a")
    assert server.entry("blind/a").commits == 0


def test_a_half_sent_request_is_given_up(server: ToolServer) -> None:
    """A request whose body stays away is dropped after the read timeout and not committed."""
    with raw(server) as client:
        client.sendall(b'POST /blind/a HTTP/1.1\r\ncontent-length: 20\r\n\r\n{"a":')
        start = time.monotonic()
        assert client.recv(1) == b""
    assert SHORT * 0.9 < time.monotonic() - start < SHORT + 1
    assert server.entry("blind/a").commits == 0


def test_a_request_in_pieces_is_put_together(server: ToolServer) -> None:
    """Where the packets are cut does not matter, and two requests in one packet are two."""
    message = b'POST /blind/a HTTP/1.1\r\ncontent-length: 7\r\n\r\n{"a":1}'
    with raw(server) as client:
        for cut in range(0, len(message), 9):
            client.sendall(message[cut : cut + 9])
            time.sleep(0.005)
        assert client.recv(1000).startswith(b"HTTP/1.1 201")
        client.sendall(message * 2)
        time.sleep(0.1)
        assert client.recv(1000).count(b"HTTP/1.1 201") == 2
    assert server.entry("blind/a") == Entry(commits=3, attempts=3)


@pytest.mark.parametrize(
    "message",
    [
        b"rubbish\r\n\r\n",
        b"POST /blind/a HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST /blind/a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST /blind/a HTTP/1.1\r\ncontent-length: 3\r\n\r\n[1]",
    ],
)
def test_what_is_not_understood_is_refused(server: ToolServer, message: bytes) -> None:
    """A malformed request is answered with 400 and commits nothing."""
    with raw(server) as client:
        client.sendall(message)
        assert client.recv(1000).startswith(b"HTTP/1.1 400")
    assert server.entry("blind/a").commits == 0


def test_the_delay_comes_before_the_commit(server: ToolServer) -> None:
    """With a delay the answer takes that long, and a client that leaves earlier leaves a commit behind."""
    server.configure(delay=2 * SHORT)
    with pytest.raises(TimeoutError):
        post(server, "blind/a", patience=SHORT)
    assert server.entry("blind/a").commits == 0
    time.sleep(2 * SHORT)
    assert server.entry("blind/a").commits == 1


def test_slow_answers_arrive_whole(server: ToolServer) -> None:
    """A dribbled answer takes its time and is right in the end."""
    server.script("blind/a", {"kind": "slow", "seconds": SHORT})
    start = time.monotonic()
    assert post(server, "blind/a")[1]["id"] == "a-1"
    assert time.monotonic() - start > SHORT / 2


def test_a_taken_port_is_an_error(server: ToolServer) -> None:
    """A server that cannot listen says so when it is entered."""
    with pytest.raises(OSError, match="in use"), ToolServer(port=urlsplit(server.url).port or 0):
        pass


def test_it_runs_as_a_process_until_sigterm() -> None:
    """It prints one line with its URL, serves, and ends with status 0."""
    command = [sys.executable, "-m", "triage.testing", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = urlsplit(json.loads(process.stdout.readline())["url"])
        socket.create_connection((url.hostname, url.port), timeout=2).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


def test_the_process_has_the_same_controls() -> None:
    """A server in another process takes settings, faults and questions like one in a thread."""
    with ToolProcess(repeat_status=409) as server:
        server.script("keyed/a", "refuse")
        assert [post(server, "keyed/a", "k")[0] for _ in range(3)] == [422, 201, 409]
        assert server.entry("keyed/a") == Entry(commits=1, attempts=3, keys=("k",))


def test_the_process_does_not_outlive_its_parent() -> None:
    """When the process that started it is killed, it ends too."""
    child = "from triage.testing import ToolProcess as P\nwith P() as s: print(s.url, flush=True); input()"
    command = [sys.executable, "-c", child]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = urlsplit(parent.stdout.readline().strip())
        parent.kill()
    late = time.monotonic() + 5
    while time.monotonic() < late:
        try:
            socket.create_connection((url.hostname, url.port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("the server is still there")
