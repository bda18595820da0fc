"""Where calls may go: the address that is really connected to decides, whatever its name and its spelling."""

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.canned import OK, post, replying, serving
from triage.errors import InvalidSetting, NotSent, Refused
from triage.tools.egress import Egress
from triage.tools.names import Names, Place, system_look_up
from triage.tools.transport import Transport

IPV4 = st.ip_addresses(v=4)
FORMS = ["::ffff:0:0", "::ffff:0:0:0", "64:ff9b::"]


@dataclass
class Resolver:
    """Gives its answers in turn, the last for ever; it counts the questions, and can be told to wait."""

    answers: list[list[str] | OSError]
    asked: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, host: str, port: int) -> Sequence[Place]:
        """See `names.LookUp`."""
        assert host.endswith(".test")
        self.asked += 1
        self.gate.wait(5)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return [place for address in answer for place in system_look_up(address, port)]


def through(resolver: Resolver, allowed: Sequence[str], keep: float = 30.0) -> Transport:
    """A transport that asks this resolver and connects anew for each call."""
    return Transport(keepalive=0, egress=Egress(allowed, names=Names(resolver, keep)))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2606:4700::1111", "2a00:1::1"],
)
def test_a_public_address_is_allowed(address: str) -> None:
    """What everybody can reach needs no entry."""
    assert Egress().objection("host.test", address) == ""


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.3", "loopback"),
        ("::1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - it is refused
        ("::", "unspecified"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fc00::1", "private"),
        ("2002:a00:1::5", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%lo", "link-local"),
        ("100.64.0.1", "carrier"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("198.18.0.1", "reserved"),
        ("2001::1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("64:ff9b:1::808:808", "not a public"),
        ("4000::1", "not a public"),
    ],
)
def test_any_other_address_is_refused(address: str, word: str) -> None:
    """The objection names the host, the address, what kind of address it is, and the setting to change."""
    objection = Egress().objection("host.test", address)
    assert word in objection
    assert all(part in objection for part in ("host.test", address, "egress_allow"))


@given(IPV4, st.sampled_from(FORMS))
def test_an_ipv4_address_inside_ipv6_counts_as_itself(address: ipaddress.IPv4Address, form: str) -> None:
    """Mapped, translated, by NAT64 or by 6to4: the same IPv4 address is reached, so the same is allowed."""
    inside = ipaddress.IPv6Address(int(ipaddress.IPv6Address(form)) + int(address))
    tunnel = ipaddress.IPv6Address((0x2002 << 112) + (int(address) << 80))
    for egress in (Egress(), Egress([str(address)])):
        objections = {bool(egress.objection("host.test", str(form))) for form in (address, inside, tunnel)}
        assert len(objections) == 1


@given(IPV4 | st.ip_addresses(network="2000::/3") | st.ip_addresses(network="f000::/4"))
def test_nothing_that_the_standard_library_calls_private_is_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """Two lists made by different people agree on what is not public."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_link_local:
        assert Egress().objection("host.test", str(address))


@given(IPV4, st.integers(0, 32))
def test_a_network_allows_what_is_in_it(address: ipaddress.IPv4Address, length: int) -> None:
    """An entry that holds an address allows it, and its neighbour network's addresses are judged as before."""
    network = ipaddress.ip_network((address, length), strict=False)
    assert Egress([str(network)]).objection("host.test", str(address)) == ""
    other = ipaddress.IPv4Address(int(address) ^ 1 << 32 - length & 0xFFFFFFFF) if length else address
    assert other in network or Egress([str(network)]).objection("h", str(other)) == Egress().objection("h", str(other))


@pytest.mark.parametrize(
    ("entry", "host", "allowed"),
    [
        ("tickets.corp", "tickets.corp", True),
        ("Tickets.Corp.", "tickets.corp", True),
        ("tickets.corp", "TICKETS.corp.", True),
        ("tickets.corp", "a.tickets.corp", False),
        ("tickets.corp", "xtickets.corp", False),
        ("tickets.corp", "tickets.corp.evil.test", False),
        ("*.corp.test", "a.corp.test", True),
        ("*.corp.test", "a.b.corp.test.", True),
        ("*.corp.test", "corp.test", False),
        ("*.corp.test", "xcorp.test", False),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_a_name_is_allowed_exactly(entry: str, host: str, *, allowed: bool) -> None:
    """A name allows itself wherever it points, a pattern everything below its name, and nothing else."""
    assert (Egress([entry]).objection(host, "10.0.0.1") == "") is allowed


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.", "a b", "10.0.0.1/8", "http://a.test", "a.test:80", "127.1", "0x7f000001", "2130706433", "a.*.test"],
)
def test_an_entry_that_says_nothing_clear_is_a_wrong_setting(entry: str) -> None:
    """Odd spellings of addresses are no names either: they would allow one spelling of an address."""
    with pytest.raises(InvalidSetting):
        Egress([entry])


def test_only_narrows() -> None:
    """With `only` nothing else is allowed, and what it names is not allowed to be private."""
    egress = Egress(["10.0.0.0/8"], only=["*.corp.test", "8.8.8.8"])
    assert egress.objection("a.corp.test", "1.1.1.1") == egress.objection("other.test", "8.8.8.8") == ""
    assert egress.objection("a.corp.test", "10.0.0.1") == ""
    assert "egress_only" in egress.objection("other.test", "1.1.1.1")
    assert "egress_only" in egress.objection("other.test", "10.0.0.1")
    assert "egress_allow" in egress.objection("a.corp.test", "127.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "0x7f000001", "0X7F.1", "2130706433", "0177.0.0.1", "017700000001", "0", "0.0.0.0"),  # noqa: S104
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::127.0.0.1]"),
        *("localhost", "LOCALHOST"),
    ],
)
def test_no_spelling_of_this_machine_gets_through(host: str) -> None:
    """However our own address is written, nothing connects to it, for a write as for a look-up."""
    with serving(replying(OK)) as seen, closing(Transport()) as transport:
        url = seen.url.replace("127.0.0.1", host)
        with pytest.raises(Refused, match="egress_allow"):
            post(transport, url)
        with pytest.raises(NotSent, match="egress_allow"):
            transport.get(url, [], time.monotonic() + 5)
    assert seen.connections == 0


def test_an_allowed_address_is_called() -> None:
    """The same call goes through once the settings say so, and only its first connection asks."""
    resolver = Resolver([["127.0.0.1"]])
    transport = Transport(egress=Egress(["127.0.0.1"], names=Names(resolver)))
    with serving(replying(OK)) as seen, closing(transport):
        assert all(post(transport, seen.url.replace("127.0.0.1", "a.test")) for _ in range(5))
    assert (seen.connections, len(seen.requests), resolver.asked) == (1, 5, 1)


def test_a_name_that_changes_its_mind_is_refused() -> None:
    """The second answer counts for the second connection: it is checked anew, and not connected to."""
    resolver = Resolver([["127.0.0.1"], ["127.0.0.2"]])
    with serving(replying(OK)) as seen, closing(through(resolver, ["127.0.0.1"], keep=0)) as transport:
        url = seen.url.replace("127.0.0.1", "a.test")
        assert post(transport, url)
        with pytest.raises(Refused, match=r"a\.test is at 127\.0\.0\.2"):
            post(transport, url)
    assert (seen.connections, resolver.asked) == (1, 2)


def test_the_checked_address_is_the_one_connected_to() -> None:
    """One connection asks once: an answer that would be another one directly afterwards changes nothing."""
    resolver = Resolver([["127.0.0.1"], ["127.0.0.9"]])
    with serving(replying(OK)) as seen, closing(through(resolver, ["127.0.0.1"])) as transport:
        assert post(transport, seen.url.replace("127.0.0.1", "a.test"))
    assert (seen.connections, resolver.asked) == (1, 1)


def test_of_several_addresses_only_the_allowed_are_tried() -> None:
    """A host with a forbidden and an allowed address is reached at the allowed one, and not even tried at the other."""
    transport = through(Resolver([["127.0.0.2", "127.0.0.1"]]), ["127.0.0.1"])
    with serving(replying(OK)) as seen, closing(transport):
        url = urlsplit(seen.url.replace("127.0.0.1", "a.test"))
        with socket.create_server(("127.0.0.2", url.port or 0)) as forbidden:
            assert post(transport, url.geturl())
            forbidden.setblocking(False)
            with pytest.raises(BlockingIOError):
                forbidden.accept()


def test_answers_are_kept_for_a_while() -> None:
    """A burst of connections costs one question, and a kept answer is given up in time."""
    resolver = Resolver([["127.0.0.1"]])
    with serving(replying(OK)) as seen, closing(through(resolver, ["a.test"], keep=0.3)) as transport:
        url = seen.url.replace("127.0.0.1", "a.test")
        assert all(post(transport, url) for _ in range(3))
        assert (seen.connections, resolver.asked) == (3, 1)
        time.sleep(0.35)
        post(transport, url)
    assert resolver.asked == 2


def test_a_failure_is_not_kept() -> None:
    """A name that could not be resolved is asked for again by the next call."""
    resolver = Resolver([OSError("no answer"), ["127.0.0.1"]])
    with serving(replying(OK)) as seen, closing(through(resolver, ["a.test"])) as transport:
        url = seen.url.replace("127.0.0.1", "a.test")
        with pytest.raises(NotSent, match="no answer"):
            post(transport, url)
        assert post(transport, url)


def test_a_name_without_addresses_is_not_sent() -> None:
    """An empty answer is a failure, and no refusal."""
    with closing(through(Resolver([[]]), [])) as transport, pytest.raises(NotSent, match="no address"):
        post(transport, "http://a.test/")


def test_a_slow_resolver_is_not_waited_for() -> None:
    """Callers give up at their own deadline, and all of them wait for one question."""
    resolver = Resolver([["127.0.0.1"]])
    resolver.gate.clear()
    with serving(replying(OK)) as seen, closing(through(resolver, ["a.test"])) as transport:
        url = seen.url.replace("127.0.0.1", "a.test")
        for _ in range(3):
            start = time.monotonic()
            with pytest.raises(NotSent, match="not resolved in time"):
                post(transport, url, patience=0.1)
            assert 0.05 < time.monotonic() - start < 1
        resolver.gate.set()
        assert post(transport, url)
    assert resolver.asked == 1


def test_a_forked_child_asks_by_itself() -> None:
    """A question that hangs in the parent is not waited for in the child, which has no thread that would answer."""
    resolver = Resolver([["127.0.0.1"]])
    resolver.gate.clear()
    with ExitStack() as stack:
        seen = stack.enter_context(serving(replying(OK)))
        transport = stack.enter_context(closing(through(resolver, ["a.test"])))
        stack.callback(resolver.gate.set)
        url = seen.url.replace("127.0.0.1", "a.test")
        with pytest.raises(NotSent):
            post(transport, url, patience=0.05)
        child = os.fork()
        if child == 0:
            resolver.gate = threading.Event()
            resolver.gate.set()
            os._exit(0 if post(transport, url, patience=2) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
