"""The webhook adapter against a server that misbehaves: what it must conclude, and what was really committed."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product

import pytest

from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Request, Sent, ToolClass, ToolSpec
from triage.ports import Tool
from triage.testing import FaultKind, ToolServer
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.tools.webhook import Webhook

PATIENCE = 5.0
"""Seconds that a call may take, far more than it needs."""
SHORT = 0.25
"""Seconds until a call to a server that hangs is given up."""
SOON = 0.1
BEARER = "opens-nothing"
KEEPS_KEYS = {ToolClass.KEYED, ToolClass.WINDOWED}

OUTCOMES: dict[FaultKind, tuple[type[Exception] | None, int]] = {
    FaultKind.NONE: (None, 1),
    FaultKind.COMMIT_THEN_DROP: (OutcomeUnknown, 1),
    FaultKind.LATE_COMMIT: (OutcomeUnknown, 1),
    FaultKind.HANG_LATE_COMMIT: (OutcomeUnknown, 1),
    FaultKind.TOO_MANY: (NotSent, 0),
    FaultKind.ERROR_BEFORE: (OutcomeUnknown, 0),
    FaultKind.ERROR_AFTER: (OutcomeUnknown, 1),
    FaultKind.GARBAGE: (OutcomeUnknown, 1),
    FaultKind.HANG: (OutcomeUnknown, 0),
    FaultKind.HANG_AFTER_COMMIT: (OutcomeUnknown, 1),
    FaultKind.RESET_BEFORE: (OutcomeUnknown, 0),
    FaultKind.SLOW: (None, 1),
    FaultKind.REFUSE: (Refused, 0),
    FaultKind.HUGE: (OutcomeUnknown, 1),
}
"""What each fault must be taken for, and how many objects there are in the end."""


@pytest.fixture(scope="module")
def running() -> Iterator[ToolServer]:
    """One server for all tests of this file."""
    with ToolServer() as server:
        yield server


@pytest.fixture
def server(running: ToolServer) -> ToolServer:
    """The server, as if just started."""
    running.reset()
    return running


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport that is closed afterwards."""
    transport = Transport(egress=Egress(["127.0.0.1"]))
    yield transport
    transport.close()


def tool(server: ToolServer, transport: Transport, kind: ToolClass, secret: str = "") -> Webhook:
    """A webhook of this class; it can be asked if the class is findable."""
    url = server.endpoint(f"{kind}/tickets")
    find_url = url if kind is ToolClass.FINDABLE else ""
    spec = ToolSpec("tickets", kind, timedelta(seconds=PATIENCE))
    return Webhook(spec, url, transport, find_url=find_url, secret=secret)


def request(key: str = "key-1", patience: float = PATIENCE, **content: object) -> Request:
    """A call whose deadline is `patience` seconds away."""
    return Request(key, "bugs", {"title": "It crashes", **content}, time.monotonic() + patience)


def attempt(webhook: Webhook, fault: FaultKind) -> type[Exception] | None:
    """The kind of error that a send ends with, if any; a server that will hang is not waited for."""
    try:
        webhook.send(request(patience=SHORT if "hang" in fault else PATIENCE))
    except ToolError as error:
        return type(error)
    return None


@contextmanager
def listening(
    transport: Transport, kind: ToolClass, status: bytes, body: bytes
) -> Iterator[tuple[Webhook, list[bytes]]]:
    """A webhook in front of a server that answers one small request as told, and keeps its bytes."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def attend() -> None:
        client, _ = listener.accept()
        with client:
            requests.append(client.recv(65536))
            client.sendall(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))

    thread = threading.Thread(target=attend, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    spec = ToolSpec("tickets", kind, timedelta(seconds=PATIENCE))
    with listener:
        find_url = url if kind is ToolClass.FINDABLE else ""
        yield Webhook(spec, url, transport, find_url=find_url, secret=BEARER), requests
        thread.join(2)


def settled(server: ToolServer, endpoint: str, commits: int) -> int:
    """How many objects there are, once there are as many as expected or it is too late for them."""
    late = time.monotonic() + 2
    while (count := server.entry(endpoint).commits) < commits and time.monotonic() < late:
        time.sleep(0.02)
    return count


@pytest.mark.parametrize(("kind", "fault"), list(product(ToolClass, FaultKind)))
def test_every_fault_is_taken_for_what_it_is(
    server: ToolServer, transport: Transport, kind: ToolClass, fault: FaultKind
) -> None:
    """Each fault ends as the right error, after one attempt, whatever the tool's class."""
    error, commits = OUTCOMES[fault]
    server.script(f"{kind}/tickets", {"kind": fault, "seconds": SOON})
    assert attempt(tool(server, transport, kind), fault) is error
    assert settled(server, f"{kind}/tickets", commits) == commits
    assert server.entry(f"{kind}/tickets").attempts == 1


@pytest.mark.parametrize(("kind", "fault"), list(product(sorted(KEEPS_KEYS), FaultKind)))
def test_a_kept_key_makes_sending_again_safe(
    server: ToolServer, transport: Transport, kind: ToolClass, fault: FaultKind
) -> None:
    """Sending the same again after any fault leaves exactly one object where keys are kept."""
    server.script(f"{kind}/tickets", {"kind": fault, "seconds": SOON})
    webhook = tool(server, transport, kind)
    attempt(webhook, fault)
    assert webhook.send(request()).remote_id == "tickets-1"
    time.sleep(SOON if "late" in fault else 0)
    entry = server.entry(f"{kind}/tickets")
    assert (entry.commits, entry.duplicates) == (1, ())


@pytest.mark.parametrize("fault", [fault for fault, (error, _) in OUTCOMES.items() if error is OutcomeUnknown])
def test_a_findable_tool_knows_afterwards(server: ToolServer, transport: Transport, fault: FaultKind) -> None:
    """After every unknown outcome the look-up tells exactly whether the object was made."""
    server.script("findable/tickets", {"kind": fault, "seconds": SOON})
    webhook = tool(server, transport, ToolClass.FINDABLE)
    attempt(webhook, fault)
    commits = settled(server, "findable/tickets", OUTCOMES[fault][1])
    found = webhook.find(request())
    assert found == (Sent("tickets-1", "http://tool.test/findable/tickets/tickets-1") if commits else None)


@pytest.mark.parametrize("kind", [ToolClass.FINDABLE, ToolClass.BLIND])
def test_without_kept_keys_sending_again_doubles(server: ToolServer, transport: Transport, kind: ToolClass) -> None:
    """Sending again after a lost answer makes a second object where no key is kept, which is why it is not done."""
    server.script(f"{kind}/tickets", "commit_then_drop")
    webhook = tool(server, transport, kind)
    assert attempt(webhook, FaultKind.COMMIT_THEN_DROP) is OutcomeUnknown
    webhook.send(request())
    assert server.entry(f"{kind}/tickets").duplicates == ("key-1",)


def test_retry_after_is_passed_on(server: ToolServer, transport: Transport) -> None:
    """The wait that a limiter asks for reaches the caller."""
    server.script("blind/tickets", {"kind": "429", "seconds": 7})
    with pytest.raises(NotSent) as caught:
        tool(server, transport, ToolClass.BLIND).send(request())
    assert caught.value.retry_after == timedelta(seconds=7)


def test_409_is_the_first_object_where_keys_are_kept(server: ToolServer, transport: Transport) -> None:
    """A keyed tool that answers a repeat with 409 and the id means the object that is there."""
    server.configure(repeat_status=409)
    webhook = tool(server, transport, ToolClass.KEYED)
    assert webhook.send(request()) == webhook.send(request())
    assert server.entry("keyed/tickets").commits == 1


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (ToolClass.BLIND, b'{"id":"1"}', Refused),
        (ToolClass.FINDABLE, b'{"id":"1"}', Refused),
        (ToolClass.KEYED, b'{"busy":1}', OutcomeUnknown),
    ],
)
def test_409_is_no_object_otherwise(transport: Transport, kind: ToolClass, body: bytes, error: type[ToolError]) -> None:
    """Without kept keys a 409 is a refusal, and with them one without an id leaves the outcome unknown."""
    with listening(transport, kind, b"409 Conflict", body) as (webhook, _), pytest.raises(error):
        webhook.send(request())


@pytest.mark.parametrize("kind", ToolClass)
def test_what_is_sent(transport: Transport, kind: ToolClass) -> None:
    """The bytes depend on the request alone, and only a tool that keeps keys gets one in a header."""
    orders = {"title": "T", "body": "B"}, {"body": "B", "title": "T"}
    messages = []
    for content in orders:
        with listening(transport, kind, b"200 OK", b'{"id":1}') as (webhook, requests):
            webhook.send(Request("k", "bugs", dict(content), time.monotonic() + PATIENCE))
            messages.append(requests[0].partition(b"\r\n\r\n"))
    assert {body for _, _, body in messages} == {b'{"body":"B","key":"k","target":"bugs","title":"T"}'}
    assert {b"Idempotency-Key: k" in head for head, _, _ in messages} == {kind in KEEPS_KEYS}
    assert all(f"Authorization: Bearer {BEARER}".encode() in head for head, _, _ in messages)


@pytest.mark.parametrize("fields", [b"{}", b'{"id":null}', b'{"id":true}', b'{"id":""}', b'{"id":"a\\u0000"}', b"[1]"])
def test_an_answer_without_a_usable_id_is_unknown(transport: Transport, fields: bytes) -> None:
    """What was made cannot be named, and it was probably made."""
    with listening(transport, ToolClass.KEYED, b"200 OK", fields) as (webhook, _), pytest.raises(OutcomeUnknown):
        webhook.send(request())


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a.test/\u202e", "https://" + "x" * 3_000, 7, None])
def test_a_link_that_no_page_may_show_is_dropped(transport: Transport, url: object) -> None:
    """An odd link costs the link, not the outcome."""
    answer = json.dumps({"id": 12, "url": url}).encode()
    with listening(transport, ToolClass.KEYED, b"200 OK", answer) as (webhook, _):
        assert webhook.send(request()) == Sent("12", "")


def test_another_body_under_the_same_key_is_refused(server: ToolServer, transport: Transport) -> None:
    """A changed request is refused by name, and does not become a second object."""
    webhook = tool(server, transport, ToolClass.KEYED)
    webhook.send(request())
    with pytest.raises(Refused, match="another body"):
        webhook.send(request(title="Something else"))
    assert server.entry("keyed/tickets").commits == 1


def test_content_cannot_replace_key_or_target(server: ToolServer, transport: Transport) -> None:
    """What the content calls `key` or `target` does not count."""
    tool(server, transport, ToolClass.FINDABLE).send(request(key="key-1", target="elsewhere"))
    (commit,) = server.commits("findable/tickets")
    assert (commit.key, commit.body["target"]) == ("key-1", "bugs")


def test_an_object_that_the_index_does_not_show_is_absent(server: ToolServer, transport: Transport) -> None:
    """A lagging index answers "absent" for an object that is there, and later shows it."""
    server.configure(index_lag=0.6)
    webhook = tool(server, transport, ToolClass.FINDABLE)
    webhook.send(request())
    assert webhook.find(request()) is None
    time.sleep(0.65)
    assert webhook.find(request()) is not None


def test_a_look_up_that_returns_everything_finds_nothing(server: ToolServer, transport: Transport) -> None:
    """Only an object that carries the marker is a hit, even if the server ignores the question."""
    server.configure(find_all=True)
    webhook = tool(server, transport, ToolClass.FINDABLE)
    webhook.send(request("somebody-elses"))
    assert webhook.find(request("key-1")) is None
    assert webhook.find(request("somebody-elses")) is not None


@pytest.mark.parametrize("fault", sorted(set(FaultKind) - {FaultKind.NONE, FaultKind.SLOW}))
def test_a_failed_look_up_teaches_nothing(server: ToolServer, transport: Transport, fault: FaultKind) -> None:
    """A look-up that fails in any way is never taken for "absent"."""
    webhook = tool(server, transport, ToolClass.FINDABLE)
    webhook.send(request())
    server.script("findable/tickets", {"kind": fault, "seconds": SOON}, method="GET")
    with pytest.raises(NotSent):
        webhook.find(request(patience=SHORT if "hang" in fault else PATIENCE))


def test_a_look_up_at_a_wrong_url_teaches_nothing(server: ToolServer, transport: Transport) -> None:
    """A 404 is not taken for "absent"."""
    spec = ToolSpec("tickets", ToolClass.FINDABLE, timedelta(seconds=1))
    webhook = Webhook(spec, server.endpoint("findable/tickets"), transport, find_url=server.endpoint("nowhere"))
    with pytest.raises(NotSent, match="404"):
        webhook.find(request())


def test_a_tool_that_cannot_be_asked_says_so(server: ToolServer, transport: Transport) -> None:
    """A look-up without a URL fails instead of finding nothing."""
    with pytest.raises(NotSent, match="no look-up URL"):
        tool(server, transport, ToolClass.BLIND).find(request())


@pytest.mark.parametrize(
    ("kind", "url", "find_url", "secret"),
    [
        (ToolClass.FINDABLE, "http://a.test/", "", ""),
        (ToolClass.BLIND, "a.test", "", ""),
        (ToolClass.BLIND, "http://user:word@a.test/", "", ""),
        (ToolClass.BLIND, "http://a.test/", "ftp://a.test/", ""),
        (ToolClass.BLIND, "http://a.test/", "", "two\r\nlines"),
    ],
)
def test_bad_settings_fail_early(transport: Transport, kind: ToolClass, url: str, find_url: str, secret: str) -> None:
    """What can never work is refused before the first call."""
    spec = ToolSpec("tickets", kind, timedelta(seconds=1))
    with pytest.raises(InvalidSetting):
        Webhook(spec, url, transport, find_url=find_url, secret=secret)


def test_it_is_a_tool(server: ToolServer, transport: Transport) -> None:
    """The adapter satisfies the port, also with a secret that a file ended with a line break."""
    port: Tool = tool(server, transport, ToolClass.KEYED, secret=f"{BEARER}\n")
    assert port.spec.name == "tickets"
    assert port.send(request()).remote_id == "tickets-1"
