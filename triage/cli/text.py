"""Texts for terminals: what others wrote may hold anything, also commands to the terminal."""

import unicodedata
from datetime import UTC, datetime, timedelta

from triage.story import words

_KEPT = {"\n", "\t"}


def plain(text: str) -> str:
    """The text with every control character made visible."""
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(char if char.isprintable() or char in _KEPT else _visible(char) for char in text)


def one_line(text: str, limit: int) -> str:
    """The text in one line of at most `limit` characters."""
    line = plain(" ".join(text[: limit * 4].split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def moment(at: datetime) -> str:
    """A point in time for people, in their own time zone."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def until(at: datetime) -> str:
    """When something is due, seen from now."""
    left = at - datetime.now(UTC)
    return f"in {words.took(left)}" if left > timedelta() else "now"


def _visible(char: str) -> str:
    is_space = unicodedata.category(char) == "Zs"
    return " " if is_space else char.encode("unicode_escape").decode()
