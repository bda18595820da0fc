"""Cutting text to another system's limit, counted as that system counts."""

from typing import Literal, TypeAlias

import regex

Unit: TypeAlias = Literal["characters", "bytes", "utf16"]
"""How a system counts: Unicode code points, bytes of UTF-8, or UTF-16 code units (Java, JavaScript, .NET)."""

ELLIPSIS = "…"
NOTE = "… [cut: {shown:,} of {whole:,} characters shown; the report has them all]"
LARGEST_SHARE = 4
"""A note may take one part in this many of the limit; else an ellipsis stands for it."""
LOOK_BACK = 64
"""Characters before a cut among which a grapheme's start is looked for; longer clusters are cut anyway."""
CLUSTER = regex.compile(r"\X")


def measure(text: str, unit: Unit) -> int:
    """The text's length in this unit; half a surrogate pair counts like the character that replaces it."""
    if unit == "characters":
        return len(text)
    if unit == "bytes":
        return len(text.encode(errors="replace"))
    return len(text.encode("utf-16-le", "replace")) // 2


def truncate(text: str, limit: int, unit: Unit = "characters", *, note: str = NOTE) -> str:
    """The text if it fits, else its start and a note that says how much was cut; never longer than the limit.

    Cuts between graphemes, so that no accent, joined emoji or surrogate pair is split. Where the note would take more
    than a quarter of the limit it is an ellipsis, and where not even that fits, nothing.
    """
    if measure(text, unit) <= limit:
        return text
    ending = note.format(shown=len(text), whole=len(text))
    if measure(ending, unit) * LARGEST_SHARE > limit:
        ending = note = ELLIPSIS
    room = limit - measure(ending, unit)
    if room < 0:
        return ""
    start = _start(text, room, unit)
    return start + note.format(shown=len(start), whole=len(text))


def _start(text: str, room: int, unit: Unit) -> str:
    """The longest run of whole graphemes from the text's start that fits."""
    if unit == "characters":
        end = room
    elif unit == "bytes":
        end = len(text[:room].encode(errors="replace")[:room].decode(errors="ignore"))
    else:
        end = len(text[:room].encode("utf-16-le", "replace")[: room * 2].decode("utf-16-le", "ignore"))
    return text[: _boundary(text, end)]


def _boundary(text: str, end: int) -> int:
    """The last place not behind `end` where no grapheme is split."""
    begin = max(0, end - LOOK_BACK)
    ends = [found.end() for found in CLUSTER.finditer(text, begin, end + LOOK_BACK)]
    return max((place for place in ends if place <= end), default=begin if begin == 0 else end)
