"""One effect key in the alphabets of the other systems. The key is 64 hexadecimal digits (SHA-256).

What is looked for afterwards is the whole key wherever the system has room for it: a hit counts only if the whole key
stands in the object that came back.
"""

import base64
import re
import uuid

COMMENT = re.compile(r"<!-- triage-run:v1:([0-9a-f]{64}) -->\s*\Z")
"""Ours stands at the very end, so that text of a report that quotes one is not taken for it."""
LINE = re.compile(r"\btriage-run:v1:([0-9a-f]{64})\b")
LABEL = re.compile(r"triage-run-[0-9a-f]{16}")


def comment(key: str) -> str:
    """Invisible in Markdown: the last line of a body."""
    return f"<!-- triage-run:v1:{key} -->"


def in_comment(body: str) -> str:
    """The key of a body's last line; empty if there is none."""
    found = COMMENT.search(body)
    return found.group(1) if found else ""


def line(key: str) -> str:
    """A visible line, for systems that show comments or remove them."""
    return f"triage-run:v1:{key}"


def in_lines(text: str) -> str:
    """The key of the last such line; empty if there is none."""
    found = LINE.findall(text)
    return found[-1] if found else ""


def label(key: str) -> str:
    """For narrowing a search; the whole key must be found elsewhere in the object."""
    return f"triage-run-{key[:16]}"


def short(key: str) -> str:
    """32 hexadecimal digits, for ids that are bounded: `0-9a-f` is inside every alphabet we met."""
    return key[:32]


def prefixed(key: str) -> str:
    """For systems that take any text as their own key."""
    return f"triage-{key[:32]}"


def uuid4(key: str) -> str:
    """As a UUID of version 4, by its first 16 bytes."""
    return str(uuid.UUID(bytes=bytes.fromhex(key[:32]), version=4))


def nonce(key: str) -> str:
    """25 characters of base32."""
    return base64.b32encode(bytes.fromhex(key)).decode()[:25]
