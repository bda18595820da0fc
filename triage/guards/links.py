"""Which links may be sent to people: http and https, and to nothing inside the house.

A host is judged as it is spelled, since a guard asks no name server. What browsers read in another way than we do
(backslashes, user names, numbers in place of names, letters that are turned into others) is refused.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_SCHEMES = {"http", "https"}
_ODD = re.compile(r"[\s\\\x00-\x1f\x7f]")
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_LAST_IS_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_INSIDE = frozenset({"localhost", "internal", "local", "localdomain", "intranet", "corp", "home", "lan", "arpa"})
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_INTO_IPV4 = [ipaddress.ip_network(network) for network in ("2001::/32", "2002::/16")]
_OF_CLOUDS = [ipaddress.ip_network(network) for network in ("168.63.129.16/32", "192.0.0.0/24")]
"""Addresses that count as public, but answer inside a cloud with its secrets or settings."""


def problem(link: str, hosts: frozenset[str]) -> str:
    """Why it may not be sent; empty if it may. `hosts` may be named although they are internal.

    Text without a scheme, such as an object's bare id, is no link, unless a mail program would make one of it.
    """
    if _ODD.search(link):
        return "it has white space, control characters or backslashes in it"
    try:
        return _problem_of(urlsplit(link), hosts)
    except ValueError:
        return "it is no usable address"


def _problem_of(parts: SplitResult, hosts: frozenset[str]) -> str:
    if not parts.scheme and not parts.netloc and not parts.path.startswith("/"):
        first = parts.path.partition("/")[0]
        return _problem_of_host(first.partition(":")[0].lower(), hosts) if "." in first else ""
    if parts.scheme not in _SCHEMES:
        return "it is neither http nor https"
    if "@" in parts.netloc:
        return "it has a user name in it"
    return _problem_of_host(parts.hostname or "", hosts)


def _problem_of_host(host: str, hosts: frozenset[str]) -> str:
    name = host.rstrip(".")
    if name in hosts or _is_public(name):
        return ""
    return f"{name!r:.80} is an internal address, or none that everybody reads alike"


def _is_public(host: str) -> bool:
    if ":" in host or _LAST_IS_NUMBER.fullmatch(host):
        return _is_public_address(host)
    return _NAME.fullmatch(host) is not None and host.rpartition(".")[2] not in _INSIDE


def _is_public_address(host: str) -> bool:
    """Only addresses in full: the short forms (127.1, 2130706433, 0x7f.1) raise ValueError, and so are refused."""
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address):
        return address in _GLOBAL_IPV6 and address.is_global and not any(address in net for net in _INTO_IPV4)
    return address.is_global and not address.is_multicast and not any(address in net for net in _OF_CLOUDS)
