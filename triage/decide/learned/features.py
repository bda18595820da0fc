"""The words of a report, as the classifier and the search for similar reports count them.

Title and body count together and the title twice. The raw text is read: versions and error codes tell reports apart.
Names in camel case count as a whole and by their parts. Pure: the same text always has the same words.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from math import log

import regex

TITLE_CHARS = 500
BODY_CHARS = 20_000
"""How much of a body is read, so that a huge one costs milliseconds at most."""
LONGEST_WORD = 40
"""Longer runs of characters are encoded data, and no two reports share them."""
TITLE_WEIGHT = 2

_WORD = regex.compile(r"\w+(?:[.']\w+)*")
_PART = regex.compile(r"\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\d+|\p{Lo}+")


def words(title: str, body: str) -> Counter[str]:
    """How often each word is there, in lower case."""
    counted: Counter[str] = Counter()
    for text, weight in ((title[:TITLE_CHARS], TITLE_WEIGHT), (body[:BODY_CHARS], 1)):
        for found, times in Counter(_WORD.findall(text)).items():
            for word in _with_parts(found):
                counted[word] += times * weight
    return counted


def phrases(title: str, body: str) -> Counter[str]:
    """As `words`, and each two neighbours as one more; a phrase spans no two lines."""
    counted = words(title, body)
    for text, weight in ((title[:TITLE_CHARS], TITLE_WEIGHT), (body[:BODY_CHARS], 1)):
        for pair in _pairs(text):
            counted[pair] += weight
    return counted


def weights(counted: Mapping[str, int]) -> dict[str, float]:
    """The logarithmic frequency of each word: 1 for once, and ever less for each further time."""
    return {word: 1.0 + log(count) for word, count in counted.items()}


def _with_parts(word: str) -> Iterable[str]:
    if len(word) > LONGEST_WORD:
        return
    yield word.casefold()
    # A plain word is its own only part. Single characters say nothing: "I", or the numbers of a version.
    if not word.isalpha() or not (word.islower() or word.istitle()):
        parts = {part.casefold() for part in _PART.findall(word) if len(part) > 1}
        yield from sorted(parts - {word.casefold()})


def _pairs(text: str) -> Iterator[str]:
    for line in text.splitlines():
        found = [word.casefold() for word in _WORD.findall(line) if len(word) <= LONGEST_WORD]
        yield from (f"{first} {second}" for first, second in pairwise(found))
