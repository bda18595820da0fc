"""Where outbound calls may go: checked for the very address that is connected to, after its name was resolved.

A name proves nothing: whoever owns it can let it point at our own network, and at another place the next time it is
asked. So a connection is made to the address that was checked, and the name is not resolved again in between.
"""

import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self, TypeAlias

from triage.errors import InvalidSetting, Refused
from triage.tools.names import Names, Place, time_left

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

HOST_ENTRY = re.compile(r"(\*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""As the last part of a name it makes an address of it, in a spelling that hides which one."""

NOT_PUBLIC = {
    "a metadata service's": ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
    "a loopback": ["127.0.0.0/8", "::1"],
    "an unspecified": ["0.0.0.0/8", "::"],
    "a private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"],
    "a link-local": ["169.254.0.0/16", "fe80::/10"],
    "a carrier's shared": ["100.64.0.0/10"],
    "a multicast": ["224.0.0.0/4", "ff00::/8"],
    "a reserved": [
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("240.0.0.0/4", "2001::/23", "2001:db8::/32", "3fff::/20"),
    ],
}
"""From IANA's registries of special-purpose addresses, and what cloud vendors publish of theirs; first match counts."""
SPECIAL = [(ipaddress.ip_network(text), word) for word, texts in NOT_PUBLIC.items() for text in texts]
GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
"""IANA has given out nothing else for the public."""
SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
LAST_32_BITS = [ipaddress.IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")]
"""IPv4 inside IPv6: compatible, mapped, translated, NAT64."""
IPV4_BITS = 32
LOWEST_EMBEDDED = 0x0100_0000
"""Below it the last 32 bits are no IPv4 address, as in `::` and `::1`."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Host names, patterns such as `*.example.org` (everything below it), and networks."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """From what the settings name; raises InvalidSetting."""
        parsed = [_entry(text.strip().lower()) for text in texts]
        hosts = frozenset(entry for entry in parsed if isinstance(entry, str))
        return cls(hosts, tuple(entry for entry in parsed if not isinstance(entry, str)))

    def name(self, host: str) -> bool:
        """Whether they name this host."""
        labels = host.lower().removesuffix(".").split(".")
        above = ("*." + ".".join(labels[start:]) for start in range(1, len(labels)))
        return ".".join(labels) in self.hosts or any(pattern in self.hosts for pattern in above)

    def hold(self, address: IP) -> bool:
        """Whether they hold this address, in this form or as the IPv4 address inside it."""
        forms = {address, _inner(address)}
        return any(form in network for network in self.networks for form in forms)


class Egress:
    """Decides where connections may go, and makes them."""

    def __init__(self, allowed: Sequence[str] = (), only: Sequence[str] = (), names: Names | None = None) -> None:
        """Public addresses are allowed, and what `allowed` names: hosts, `*.example.org`, addresses, networks.

        If `only` names anything, nothing else is allowed at all; it narrows and never widens, so that a host in `only`
        that turns out to be at a private address needs an entry in `allowed` too. Raises InvalidSetting.
        """
        self._allowed = Entries.parse(allowed)
        self._only = Entries.parse(only)
        self._narrow = bool(only)
        self._names = names or Names()

    def objection(self, host: str, address: str) -> str:
        """Why this host at this IP address may not be called, and what to change; empty if it may."""
        at = ipaddress.ip_address(address.partition("%")[0])
        if self._narrow and not (self._only.name(host) or self._only.hold(at)):
            return f"{host} ({address}) is not in egress_only, which lists everything that may be called"
        if not (word := _special(at)) or self._allowed.name(host) or self._allowed.hold(at):
            return ""
        return f"{host} is at {address}, {word} address: nothing was sent; if this is meant, add it to egress_allow"

    def connect(self, host: str, port: int, deadline: float) -> socket.socket:
        """Connect to an allowed address of the host, trying all in turn.

        Raises:
            Refused: it has none that is allowed.
            OSError: the name was not resolved, or nobody answered, before the deadline.
            ValueError: this cannot be a host's name.
        """
        problem: OSError | None = None
        for place in self._allowed_places(host, port, deadline):
            raw = socket.socket(place.family, socket.SOCK_STREAM)
            try:
                raw.settimeout(time_left(deadline))
                raw.connect(place.socket_address)
            except OSError as error:
                raw.close()
                problem = error
            else:
                return raw
        raise problem or OSError("the host has no address")

    def addresses(self, host: str, port: int, deadline: float) -> list[str]:
        """The addresses that `connect` would try, for those who connect in their own way. Raises as it does."""
        return [place.address for place in self._allowed_places(host, port, deadline)]

    def _allowed_places(self, host: str, port: int, deadline: float) -> list[Place]:
        places = self._names.find(host, port, deadline)
        objections = {place: self.objection(host, place.address) for place in places}
        if places and all(objections.values()):
            raise Refused(objections[places[0]])
        return [place for place in places if not objections[place]]


def _entry(text: str) -> str | Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        host = text.removesuffix(".")
    if not HOST_ENTRY.fullmatch(host) or NUMBER.fullmatch(host.rpartition(".")[2]):
        raise InvalidSetting(f"{text!r} is neither a host name, `*.` and one, an IP address nor a network")
    return host


@lru_cache(maxsize=1024)
def _special(address: IP) -> str:
    """What makes an address not public, in words; empty if it is public."""
    for form in dict.fromkeys((address, _inner(address))):
        if word := next((word for network, word in SPECIAL if form in network), ""):
            return word
    inner = _inner(address)
    public = isinstance(inner, ipaddress.IPv4Address) or inner in GLOBAL_6
    return "" if public else "not a public"


def _inner(address: IP) -> IP:
    """The IPv4 address that an IPv6 address leads to, or itself."""
    return next(_embedded(address), address) if isinstance(address, ipaddress.IPv6Address) else address


def _embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    last = int(address) & 0xFFFF_FFFF
    if any(address in network for network in LAST_32_BITS) and (last >= LOWEST_EMBEDDED or int(address) >> IPV4_BITS):
        yield ipaddress.IPv4Address(last)
    if address in SIX_TO_FOUR:
        yield ipaddress.IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
