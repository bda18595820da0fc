"""Addresses from outside: which of them may become links, and how they are written."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from triage.text.neutral import line

LONGEST = 500
"""Characters of a link; a longer address is shown, cut, as text."""
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(?::\d{1,5})?")
SAFE = "/?#=&;:%+,$-._"
"""What may stand unescaped in a link's path and query: nothing that any flavour reads as markup."""


@dataclass(frozen=True, slots=True)
class Link:
    """An http(s) address that is safe to write in any flavour, and the host that people see."""

    url: str
    host: str


def link(url: str) -> Link | None:
    """The address as a link, or None: only http(s), without a user or password in it, with a host in plain ASCII."""
    flat = line(url)
    try:
        parts = urlsplit(flat)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.netloc):
        return None
    head = f"{parts.scheme}://{parts.netloc.lower()}"
    whole = head + quote(flat[len(head) :], safe=SAFE)
    return Link(whole, parts.netloc.lower()) if len(whole) <= LONGEST else None
