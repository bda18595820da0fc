"""Fingerprints of a report: equal for two that say the same, so that a repeat can be marked without guessing.

Two reports that are merely alike have different ones; finding those is the work of `similar`.
"""

import hashlib
import unicodedata
from dataclasses import dataclass

import regex

from triage.decide.traces import Trace, trace
from triage.model import Report

FEWEST_FRAMES = 2
"""One frame alone, such as that of a server's entry, is in too many failures."""

FEWEST_WORDS = 8
"""Different words of a text that tells reports apart: "login is broken, please help" is said of many failures."""

# Scripts without blanks: each character counts as a word.
_WORD = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{N}]{2,}")
_UNSEEN = regex.compile(r"[\p{Cf}\p{Cc}--\s]", regex.VERSION1)


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """SHA-256, 32 bytes each. `text` is of title and body, `trace` of the stack trace; None if there is none."""

    text: bytes
    trace: bytes | None


def fingerprints(report: Report) -> Fingerprints:
    """Both fingerprints of a report: a pure function of its title and body.

    The text is compared without case, kinds of blanks, what cannot be seen, and other ways to write the same letters
    (Unicode's NFKC). Numbers count: error 404 is not error 500.
    """
    return Fingerprints(_digest([_plain(report.title), _plain(report.body)]), _traced(trace(report.body)))


def is_telling(title: str, body: str) -> bool:
    """Whether a text says enough for an equal one to mean the same. Single letters and digits do not count."""
    found: set[str] = set()
    for word in _WORD.finditer(f"{title}\n{body}"):
        found.add(word[0].casefold())
        if len(found) == FEWEST_WORDS:
            return True
    return False


def _traced(found: Trace) -> bytes | None:
    """Errors and frames alone: the message of an error names what differs from one case to the next."""
    if len(found.frames) < FEWEST_FRAMES:
        return None
    return _digest([*found.errors, "", *found.frames])


def _plain(text: str) -> str:
    return " ".join(_UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold().split())


def _digest(parts: list[str]) -> bytes:
    """Parts are kept apart by what is in none of them."""
    return hashlib.sha256("\n".join(parts).encode()).digest()
