"""Every fault of the proxy in front of a small real server: what the client meets, and what was really committed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import starmap
from urllib.parse import urlsplit

import pytest

from tests.support import waiting
from tests.tools.servers.writes import graphql
from triage.testing.app import HUGE
from triage.testing.faults import Fault, FaultKind
from triage.testing.proxy import Answer, FaultProxy, ProxyControls, ProxyProcess

PATIENCE = 0.3
"""Seconds until a client gives up a proxy that hangs."""
LATER = 0.6
"""Seconds after which something commits late: when the client has long given up."""
ANSWERED = (201, b'{"id": 1}')
DROPPED = "dropped"
HUNG = "hung"

CASES: dict[FaultKind, tuple[object, int]] = {
    FaultKind.NONE: (ANSWERED, 1),
    FaultKind.COMMIT_THEN_DROP: (DROPPED, 1),
    FaultKind.LATE_COMMIT: (DROPPED, 1),
    FaultKind.HANG_LATE_COMMIT: (HUNG, 1),
    FaultKind.TOO_MANY: ((429, b'{"error": "Too Many Requests"}'), 0),
    FaultKind.ERROR_BEFORE: ((500, b'{"error": "Internal Server Error"}'), 0),
    FaultKind.ERROR_AFTER: ((500, b'{"error": "Internal Server Error"}'), 1),
    FaultKind.GARBAGE: ((200, b"<html>It works!</html>"), 1),
    FaultKind.HANG: (HUNG, 0),
    FaultKind.HANG_AFTER_COMMIT: (HUNG, 1),
    FaultKind.RESET_BEFORE: (DROPPED, 0),
    FaultKind.SLOW: (ANSWERED, 1),
    FaultKind.REFUSE: ((422, b'{"error": "Unprocessable Entity"}'), 0),
}
"""What the client meets, and how many objects there are in the end."""
LATE = {FaultKind.LATE_COMMIT, FaultKind.HANG_LATE_COMMIT}


class Target(ThreadingHTTPServer):
    """Keeps the requests that reached it; a POST makes an object, and the answer comes in chunks if asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def made(self) -> int:
        """How many objects were made."""
        return sum(method == "POST" for method, *_ in self.seen)


class Handler(BaseHTTPRequestHandler):
    """Answers any method."""

    protocol_version = "HTTP/1.1"
    server: Target

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))
        if "chunked" in self.path:
            self._answer(200, ("transfer-encoding", "chunked"), b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        elif self.command == "DELETE":
            self._answer(204, ("x-gone", "yes"), b"")
        else:
            answer = b'{"id": %d}' % self.server.made()
            self._answer(201, ("content-length", str(len(answer))), b"" if self.command == "HEAD" else answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_REPORT = do_MKCALENDAR = _any  # noqa: N815

    def _answer(self, status: int, header: tuple[str, str], body: bytes) -> None:
        self.send_response(status)
        self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def target() -> Iterator[Target]:
    """Run the real server behind the proxy."""
    with Target() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultProxy]:
    """Run a proxy in this process."""
    with FaultProxy(target.url) as proxy:
        yield proxy


def connect(proxy: ProxyControls, patience: float = 5.0) -> http.client.HTTPConnection:
    """A connection to the proxy."""
    return http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=patience)


def ask(
    proxy: ProxyControls,
    method: str = "POST",
    path: str = "/issues?a=%20b",
    body: bytes = b'{"k": 1}',
    patience: float = 5.0,
) -> object:
    """Status and body of the answer, or `dropped` by an RST, or `hung`."""
    connection = connect(proxy, patience)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.RemoteDisconnected:
        return "closed without an RST"
    except ConnectionResetError:
        return DROPPED
    except TimeoutError:
        return HUNG
    finally:
        connection.close()


def settled(proxy: ProxyControls, forwarded: int) -> None:
    """Wait until so many writes were forwarded."""
    waiting.until(lambda: proxy.forwarded == forwarded, 5, lambda: f"forwarded {proxy.forwarded}, not {forwarded}")


@pytest.mark.parametrize("kind", CASES)
def test_a_fault_does_what_it_says(proxy: FaultProxy, target: Target, kind: FaultKind) -> None:
    """The client meets the fault once, the target gets the request as often as the kind says, and then all is well."""
    met, commits = CASES[kind]
    proxy.script(Fault(kind, LATER if kind in LATE else 0.1))
    assert ask(proxy, patience=PATIENCE if met is HUNG else 5) == met
    assert (target.made(), proxy.forwarded) == ((0, 0) if kind in LATE else (commits, commits))
    settled(proxy, commits)
    assert target.made() == commits
    assert ask(proxy) == (201, b'{"id": %d}' % (commits + 1))
    assert (proxy.writes, proxy.forwarded, target.made()) == (2, commits + 1, commits + 1)


def test_a_huge_answer_is_valid_json(proxy: FaultProxy, target: Target) -> None:
    """A huge answer is valid JSON in place of the target's own, which has committed."""
    proxy.script("huge")
    connection = connect(proxy)
    connection.request("POST", "/issues", b"{}")
    body = connection.getresponse().read()
    connection.close()
    assert len(body) > HUGE and json.loads(body)["id"] == "huge-1"
    assert target.made() == 1


def test_a_slow_answer_takes_its_time(proxy: FaultProxy) -> None:
    """A slow answer comes over the seconds that were asked for, with the connection alive in between."""
    proxy.script(Fault(FaultKind.SLOW, 0.5))
    began = time.monotonic()
    assert ask(proxy) == ANSWERED
    assert 0.4 < time.monotonic() - began < 2


def test_retry_after_is_told(proxy: FaultProxy) -> None:
    """A 429 says after how many seconds the client may come back."""
    proxy.script(Fault(FaultKind.TOO_MANY, 7))
    connection = connect(proxy)
    connection.request("POST", "/issues", b"{}")
    with connection.getresponse() as answer:
        assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    connection.close()


def test_a_request_arrives_as_it_left(proxy: FaultProxy, target: Target) -> None:
    """The target gets method, path, body and headers as they were, with a Host header of its own."""
    connection = connect(proxy)
    connection.request("PATCH", "/a/b?c=%20d&e", b"\x00\xff", {"x-api-key": "opens-nothing", "accept": "text/x"})
    with connection.getresponse() as answer:
        assert answer.status == 201
    connection.close()
    method, path, headers, body = target.seen[0]
    assert (method, path, body) == ("PATCH", "/a/b?c=%20d&e", b"\x00\xff")
    assert headers["host"] == urlsplit(target.url).netloc
    assert (headers["x-api-key"], headers["accept"]) == ("opens-nothing", "text/x")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "REPORT", "MKCALENDAR"])
def test_any_method_passes(proxy: FaultProxy, target: Target, method: str) -> None:
    """Methods of calendars and of partial updates pass like those of every day."""
    assert ask(proxy, method, "/x") == (201, b'{"id": 0}')
    assert [seen[0] for seen in target.seen] == [method]


def test_a_head_says_how_long_the_body_would_be(proxy: FaultProxy) -> None:
    """The answer to HEAD has the target's own Content-Length."""
    connection = connect(proxy)
    connection.request("HEAD", "/x")
    with connection.getresponse() as answer:
        assert (answer.headers.get_all("content-length"), answer.read()) == (["9"], b"")
    connection.close()


def test_chunks_pass_both_ways(proxy: FaultProxy, target: Target) -> None:
    """A body in chunks reaches the target whole, and an answer in chunks reaches the client whole."""
    connection = connect(proxy)
    connection.request("POST", "/chunked", iter([b"one", b"two"]), encode_chunked=True)
    with connection.getresponse() as answer:
        assert answer.read() == b"abcde"
    connection.close()
    assert target.seen[0][3] == b"onetwo"


def test_one_connection_carries_many_requests(proxy: FaultProxy, target: Target) -> None:
    """Answers without a body keep a connection in step: the next request on it is understood."""
    connection = connect(proxy)
    for method in ("HEAD", "DELETE", "GET", "HEAD", "POST"):
        connection.request(method, "/x")
        with connection.getresponse() as answer:
            body = answer.read()
    assert body == b'{"id": 1}'
    connection.close()
    assert len(target.seen) == 5


def test_writes_and_reads_have_scripts_of_their_own(proxy: FaultProxy) -> None:
    """A fault for writes is not met by a read, nor the other way round, whatever comes first."""
    proxy.script("refuse")
    proxy.script("429", reads=True)
    assert proxy.unmet == 2
    statuses = [ask(proxy, method) for method in ("GET", "GET", "POST", "POST")]
    assert [answer[0] for answer in statuses if isinstance(answer, tuple)] == [429, 201, 422, 201]
    assert (proxy.writes, proxy.forwarded, proxy.unmet) == (2, 1, 0)


def test_a_match_waits_for_its_request(proxy: FaultProxy) -> None:
    """A step with a pattern is kept for the request whose method, path or body has it."""
    proxy.script("refuse", match=r"^POST /comments\b")
    proxy.script("500_before", match="run-2")
    asked = [("/issues", b"run-1"), ("/issues", b"run-2"), ("/comments", b""), ("/issues", b"run-2")]
    answers = [ask(proxy, "POST", path, body) for path, body in asked]
    assert [answer[0] for answer in answers if isinstance(answer, tuple)] == [201, 500, 422, 201]


@pytest.mark.parametrize("commit", [False, True])
def test_a_fixed_answer_is_given(proxy: FaultProxy, target: Target, commit: bool) -> None:
    """A scripted answer comes with its headers, and the request is forwarded before only if that was asked for."""
    proxy.script(Answer(502, b"\xe4", {"x-why": "scripted"}, commit=commit))
    connection = connect(proxy)
    connection.request("POST", "/issues", b"{}")
    with connection.getresponse() as answer:
        assert (answer.status, answer.headers["x-why"], answer.read()) == (502, "scripted", b"\xe4")
    connection.close()
    assert (target.made(), proxy.forwarded) == (commit, commit)


def test_requests_are_recorded(proxy: FaultProxy) -> None:
    """The proxy tells what came, bytes and all, whether it was a write, and what it met."""
    proxy.script(Answer(204))
    ask(proxy, "POST", "/a?b", b"\x00\xff")
    ask(proxy, "GET", "/c", b"")
    seen = [(one.method, one.path, one.body, one.write, one.fault) for one in proxy.requests]
    assert seen == [("POST", "/a?b", b"\x00\xff", True, "answer"), ("GET", "/c", b"", False, "none")]
    assert proxy.requests[0].headers["content-length"] == "2"


def test_the_caller_says_what_a_write_is(target: Target) -> None:
    """With a predicate that looks into bodies, a query by POST is a read and a mutation is a write."""
    with FaultProxy(target.url, graphql) as proxy:
        proxy.script("refuse")
        assert ask(proxy, body=b"query { x }") == ANSWERED
        assert ask(proxy, body=b"mutation { y }") == (422, b'{"error": "Unprocessable Entity"}')
        assert (proxy.writes, proxy.forwarded, len(proxy.requests)) == (1, 0, 2)


def test_a_path_of_the_target_comes_first(target: Target) -> None:
    """A target below a path gets the requests below it."""
    with FaultProxy(f"{target.url}/api/") as proxy:
        ask(proxy, path="/issues")
    assert target.seen[0][1] == "/api/issues"


def test_a_dead_target_is_a_bad_gateway() -> None:
    """When nothing listens behind the proxy, the answer is 502 and nothing counts as forwarded."""
    with FaultProxy("http://127.0.0.1:9") as proxy:
        answer = ask(proxy)
        assert isinstance(answer, tuple) and answer[0] == 502
        assert (proxy.writes, proxy.forwarded) == (1, 0)


def test_concurrent_writes_meet_one_fault_each(proxy: FaultProxy, target: Target) -> None:
    """Of twenty writes at once as many are refused as refusals were scripted, and the rest is forwarded."""
    proxy.script(*["refuse"] * 7)
    threads = list(starmap(lambda *_: threading.Thread(target=ask, args=(proxy,)), [()] * 20))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (proxy.writes, proxy.forwarded, target.made()) == (20, 13, 13)


def test_a_reset_forgets(proxy: FaultProxy, target: Target) -> None:
    """After a reset counts are zero and scripts gone, and what commits late then is forwarded but not counted."""
    proxy.script(Fault(FaultKind.LATE_COMMIT, LATER))
    ask(proxy)
    proxy.script("refuse")
    proxy.reset()
    assert (proxy.writes, proxy.forwarded, proxy.unmet, proxy.requests) == (0, 0, 0, [])
    waiting.until(lambda: target.made() == 1, 5, lambda: "nothing was forwarded")
    assert proxy.forwarded == 0


def test_a_stopped_proxy_commits_no_more(target: Target) -> None:
    """What was to commit late does not once the proxy has stopped, and a client that hangs is let go at once."""
    with FaultProxy(target.url) as proxy:
        proxy.script(Fault(FaultKind.LATE_COMMIT, LATER), "hang")
        assert ask(proxy) == DROPPED
        client = threading.Thread(target=ask, args=(proxy, "POST", "/", b"", 30))
        client.start()
        waiting.until(lambda: proxy.writes == 2, 5, lambda: "the second write did not arrive")
    client.join(1)
    assert not client.is_alive()
    time.sleep(LATER + 0.2)
    assert target.made() == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "fault-proxy"]


def test_a_wrong_wish_is_refused(proxy: FaultProxy) -> None:
    """A pattern that is none is told back, and nothing of the script holds."""
    with pytest.raises(ValueError, match="unterminated"):
        proxy.script("refuse", match="[")
    assert proxy.unmet == 0


def test_a_process_does_the_same(target: Target) -> None:
    """A proxy in a process of its own is told and asked the same way, with the caller's own idea of a write."""
    with ProxyProcess(target.url, graphql) as proxy:
        proxy.script("commit_then_drop")
        assert ask(proxy, body=b"query { x }") == ANSWERED
        assert ask(proxy, body=b"mutation { y }") == DROPPED
        assert (proxy.writes, proxy.forwarded, target.made()) == (1, 1, 2)


def test_other_processes_control_it(target: Target) -> None:
    """Whoever knows the URL can script and ask."""
    with ProxyProcess(target.url) as proxy:
        ProxyControls(proxy.url).script("refuse")
        assert ask(proxy) == (422, b'{"error": "Unprocessable Entity"}')
        assert ProxyControls(proxy.url).writes == 1


def test_the_process_ends_with_its_parent() -> None:
    """When the process that started a proxy is killed, the proxy ends too."""
    code = (
        "import time; from triage.testing.proxy import ProxyProcess as P\n"
        "with P('http://127.0.0.1:9') as p: print(p._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert exists(pid)
        parent.send_signal(signal.SIGKILL)
    waiting.until(lambda: not exists(pid), 5, lambda: f"process {pid} is still there")


def exists(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
