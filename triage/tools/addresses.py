"""Addresses of mailboxes, as far as they can be written without quoting."""

import re

LONGEST = 254
"""Characters; RFC 5321, 4.5.3.1.3, without the angle brackets."""
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
ADDRESS = re.compile(rf"[\w!#$%&'*+/=?^`{{|}}~-]+(?:\.[\w!#$%&'*+/=?^`{{|}}~-]+)*@(?:{LABEL}\.)*{LABEL}")
"""`\\w` also takes letters beyond ASCII (RFC 6531)."""


def is_address(text: str) -> bool:
    """Whether this is one address and nothing else."""
    return len(text) <= LONGEST and ADDRESS.fullmatch(text) is not None
