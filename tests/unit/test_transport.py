"""The transport against servers that answer, stall and break: what it concludes, and how often it asked."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from tests.unit.canned import HOME, OK, PATIENCE, Behaviour, Seen, dribbling, post, replying, replying_once, serving
from triage.errors import InvalidSetting, NotSent, OutcomeUnknown, ProcessExpired, Refused
from triage.tools.connection import Address
from triage.tools.transport import EXCERPT, Transport, retry_after


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport that is closed afterwards."""
    transport = Transport(egress=HOME)
    yield transport
    transport.close()


def test_one_post_is_one_request(transport: Transport) -> None:
    """A post sends exactly one well-formed request with its body and returns the answer."""
    with serving(replying(OK)) as seen:
        assert post(transport, seen.url) == b'{"id":"1"}'
    (request,) = seen.requests
    assert request.startswith(b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nContent-Length: 2\r\n" in request


def test_no_listener_is_not_sent(transport: Transport) -> None:
    """A refused connection surely did nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match="cannot connect"):
        post(transport, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("host", ["nowhere.invalid", f"{'a' * 70}.test", "a..test"])
def test_an_unknown_host_is_not_sent(transport: Transport, host: str) -> None:
    """A name that cannot be resolved, or cannot even be one, surely did nothing."""
    with pytest.raises(NotSent):
        post(transport, f"http://{host}/", patience=5)


def test_a_passed_deadline_sends_nothing(transport: Transport) -> None:
    """After the deadline not a byte leaves, on a new connection and on a kept one."""
    with serving(replying(OK)) as seen:
        for _ in range(2):
            with pytest.raises(NotSent):
                post(transport, seen.url, patience=-0.001)
            post(transport, seen.url)
    assert len(seen.requests) == 2


def test_the_hook_is_asked_last() -> None:
    """What the hook raises ends the call although the connection stands, and not a byte leaves."""

    def refuse() -> None:
        raise ProcessExpired("expired")

    with serving(replying(OK)) as seen:
        with closing(Transport(refuse, egress=HOME)) as transport, pytest.raises(ProcessExpired):
            post(transport, seen.url)
        time.sleep(0.05)
    assert (seen.connections, seen.requests) == (1, [])


def test_a_deadline_that_passes_in_the_hook_sends_nothing() -> None:
    """The deadline is looked at after the hook, however long that took."""
    with serving(replying(OK)) as seen, pytest.raises(NotSent, match="before the first byte"):
        post(Transport(lambda: time.sleep(0.1), egress=HOME), seen.url, patience=0.05)
    assert seen.requests == []


def test_a_look_up_does_not_ask_the_hook() -> None:
    """A look-up changes nothing and needs no right to send."""

    def refuse() -> None:
        raise ProcessExpired("expired")

    with serving(replying(OK)) as seen, closing(Transport(refuse, egress=HOME)) as transport:
        assert transport.get(seen.url, [], time.monotonic() + PATIENCE).value() == {"id": "1"}


@pytest.mark.parametrize(
    "behaviour",
    [
        dribbling(b"", b""),
        dribbling(b"HTTP/1.1 200 OK\r\nx-long: ", b"x"),
        dribbling(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        dribbling(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n", b"x"),
    ],
    ids=["silence", "dribbled head", "endless interim answers", "dribbled body"],
)
def test_the_deadline_bounds_the_whole_call(transport: Transport, behaviour: Behaviour) -> None:
    """However the answer stalls, the call ends at its deadline with an unknown outcome."""
    with serving(behaviour) as seen:
        start = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            post(transport, seen.url, patience=0.4)
        assert time.monotonic() - start == pytest.approx(0.6, abs=0.25)  # 0.4, and what a busy machine adds
    assert len(seen.requests) == 1


@pytest.mark.parametrize("start", [b"content-length: 99999999\r\n\r\n", b"\r\n"], ids=["declared", "undeclared"])
def test_a_huge_answer_is_not_read_to_its_end(start: bytes) -> None:
    """The call ends as unknown soon after the bound is passed, long before the server has sent all."""
    pushed = [0]

    def behave(client: socket.socket, seen: Seen) -> None:
        seen.read(client)
        client.sendall(b"HTTP/1.1 200 OK\r\n" + start)
        for _ in range(1000):
            pushed[0] += client.send(b"x" * 65536)

    with serving(behave) as seen, pytest.raises(OutcomeUnknown, match="longer than 100000 bytes"):
        post(Transport(max_body=100_000, egress=HOME), seen.url, patience=5)
    assert pushed[0] < 20 * 1024 * 1024  # what fits into the kernel's buffers, not all 64 MiB


def test_an_endless_head_is_not_read_to_its_end(transport: Transport) -> None:
    """A head that does not end is no answer, and its bytes do not fill the error's message."""
    endless = dribbling(b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000, b"x")
    with serving(endless) as seen, pytest.raises(OutcomeUnknown) as caught:
        post(transport, seen.url, patience=2)
    assert len(str(caught.value)) < EXCERPT + 100


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, OutcomeUnknown),
        (303, OutcomeUnknown),
        (400, Refused),
        (401, Refused),
        (404, Refused),
        (408, OutcomeUnknown),
        (422, Refused),
        (425, NotSent),
        (429, NotSent),
        (500, OutcomeUnknown),
        (502, OutcomeUnknown),
        (503, OutcomeUnknown),
        (599, OutcomeUnknown),
    ],
)
def test_each_status_means_one_thing(transport: Transport, status: int, error: type[Exception]) -> None:
    """A status ends as its one error, after one request; a redirect is not followed and a 503 not repeated."""
    head = f"HTTP/1.1 {status} X\r\nlocation: /hook\r\nretry-after: 0\r\ncontent-length: 3\r\n\r\nno\x00"
    with serving(replying(head.encode())) as seen, pytest.raises(error) as caught:
        post(transport, seen.url)
    assert type(caught.value) is error
    assert str(caught.value) == f"status {status}: no"
    assert len(seen.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
    ids=["none", "garbage", "broken off", "bad length", "upgrade"],
)
def test_no_whole_answer_is_unknown(transport: Transport, answer: bytes) -> None:
    """A connection that ends without a whole answer leaves the outcome unknown, and nothing is sent again."""
    with serving(replying_once(answer)) as seen, pytest.raises(OutcomeUnknown):
        post(transport, seen.url)
    assert len(seen.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff", b""])
def test_what_is_no_json_is_unknown(transport: Transport, body: bytes) -> None:
    """A 2xx that cannot be read was probably carried out, so it is no failure and no success."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    with serving(replying(answer)) as seen, pytest.raises(OutcomeUnknown, match="no JSON"):
        transport.post(seen.url, b"{}", [], time.monotonic() + PATIENCE).fields()


@pytest.mark.parametrize("status", [200, 409, 422, 500])
def test_every_failed_look_up_is_not_sent(transport: Transport, status: int) -> None:
    """A look-up that did not succeed, for whatever reason, taught nothing."""
    length = 10 if status == 200 else 6  # a 200 fails by breaking off
    answer = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\nbroken" % (status, length)
    with serving(replying_once(answer)) as seen, pytest.raises(NotSent, match=f"look-up failed: .*({status}|Protocol)"):
        transport.get(seen.url, [], time.monotonic() + PATIENCE)


def test_a_definite_status_stands_although_its_body_breaks_off(transport: Transport) -> None:
    """A 429 is one as soon as its head is there."""
    answer = b"HTTP/1.1 429 Slow down\r\nretry-after: 3\r\ncontent-length: 100\r\n\r\nslow"
    with serving(replying_once(answer)) as seen, pytest.raises(NotSent, match="slow") as caught:
        post(transport, seen.url)
    assert caught.value.retry_after == timedelta(seconds=3)


def test_an_endless_error_text_is_cut_short(transport: Transport) -> None:
    """Of a refusal's body no more than an excerpt is waited for."""
    endless = dribbling(b"HTTP/1.1 422 No\r\n\r\n" + b"x" * 10_000, b"x")
    start = time.monotonic()
    with serving(endless) as seen, pytest.raises(Refused) as caught:
        post(transport, seen.url, patience=3)
    assert time.monotonic() - start < 1
    assert len(str(caught.value)) < EXCERPT + 20


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2),
        ("0", 0),
        ("1.5", 1.5),
        ("999999999999", 3600),
        ("1" * 5000, 3600),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:00:00 GMT", 0),
        ("Wed, 21 Oct 2036 07:00:00 GMT", 3600),
        ("-1", None),
        ("soon", None),
        ("1e", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after_is_read_and_bounded(value: str, seconds: float | None) -> None:
    """Seconds and dates are understood, an hour is the most, and rubbish counts as nothing."""
    headers = {"retry-after": value, "date": "Wed, 21 Oct 2026 07:28:00 GMT"}
    assert retry_after(headers) == (None if seconds is None else timedelta(seconds=seconds))


def test_a_retry_date_needs_the_servers_own_clock() -> None:
    """Without the answer's `Date` a date says nothing, as our clock may be off."""
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}) is None
    assert retry_after({}) is None


def test_proxies_of_the_environment_do_not_count(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go where the URL says."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with serving(replying(OK)) as seen:
        assert post(transport, seen.url)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\x00", "ü"])
def test_a_header_that_http_does_not_allow_is_refused(transport: Transport, value: str) -> None:
    """A header cannot smuggle in another one: the call is refused and nothing is sent."""
    with serving(replying(OK)) as seen, pytest.raises(Refused, match="HTTP does not allow"):
        transport.post(seen.url, b"{}", [("X-Key", value)], time.monotonic() + PATIENCE)
    assert seen.requests == []


@pytest.mark.parametrize(
    "url",
    ["", "host/path", "ftp://host/", "http://", "http://a:b@host/", "http://host:x/", "http://hü.test/", "http://a b/"],
)
def test_a_url_that_is_none_is_a_wrong_setting(url: str) -> None:
    """Only an absolute http or https URL without a password is taken."""
    with pytest.raises(InvalidSetting):
        Address.parse(url)


def test_a_url_is_taken_apart() -> None:
    """Ports are filled in, IPv6 keeps its brackets in the authority only, and odd characters are escaped."""
    assert Address.parse("https://[::1]/a b?c=ü d") == Address(True, "::1", 443, "[::1]", "/a%20b?c=%C3%BC%20d")
    assert Address.parse("http://host:81?a=%20") == Address(False, "host", 81, "host:81", "/?a=%20")
