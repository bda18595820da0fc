"""A part of the search index: which documents have which word. Needs numpy.

Parts never change; two become one when they have grown alike, so adding a document costs little on average and a search
looks at few parts. Words are kept as 32-bit hashes: two rare words taken for one move a cosine by next to nothing, and
half a million words take some megabytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint32]
Slots: TypeAlias = NDArray[np.int32]
Weights: TypeAlias = NDArray[np.float32]
Counted: TypeAlias = tuple[Hashes, Weights]
"""The words of a document, in the order of their hashes, with their weights in it."""
Places: TypeAlias = NDArray[np.int64]


def hashed(words: dict[str, float]) -> Counted:
    """Words with their weights in the order of their hashes; two words with one hash are one."""
    found: dict[int, float] = {}
    for word, weight in words.items():
        key = crc32(word.encode(errors="replace"))
        found[key] = max(weight, found.get(key, 0.0))
    keys = sorted(found)
    return np.array(keys, np.uint32), np.array([found[key] for key in keys], np.float32)


@dataclass(frozen=True, eq=False)
class Part:
    """`keys` are the hashes of all words in order; those of `keys[i]` are the postings `starts[i]` to `starts[i + 1]`.

    A posting is a document's slot and the weight (logarithmic frequency) of the word in it.
    """

    documents: int
    keys: Hashes
    starts: Places
    slots: Slots
    weights: NDArray[np.float16]

    @classmethod
    def of(cls, first: int, documents: Sequence[Counted]) -> "Part":
        """Of documents whose slots follow one another, from `first` on."""
        slots = np.repeat(
            np.arange(first, first + len(documents), dtype=np.int32), [len(keys) for keys, _ in documents]
        )
        every = np.concatenate([keys for keys, _ in documents])
        weights = np.concatenate([weights for _, weights in documents])
        order = np.argsort(every, kind="stable")
        keys, starts = np.unique(every[order], return_index=True)
        ends = np.append(starts, len(every))
        return cls(len(documents), keys, ends, slots[order], weights[order].astype(np.float16))

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(array.nbytes for array in (self.keys, self.starts, self.slots, self.weights))

    def ranges(self, keys: Hashes) -> tuple[Places, Places]:
        """Where the postings of each word begin and end; the same number twice for a word that is not here."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        there = self.keys[places] == keys
        return np.where(there, self.starts[places], 0), np.where(there, self.starts[places + 1], 0)

    def add_scores(self, scores: Weights, keys: Hashes, factors: Weights) -> None:
        """Add to each document's score the weight of each word in it, times that word's factor."""
        for begin, end, factor in self._ranges(keys, factors):
            # No document is twice among one word's postings.
            scores[self.slots[begin:end]] += factor * self.weights[begin:end].astype(np.float32)

    def add_scores_of(self, chosen: Slots, scores: Weights, keys: Hashes, factors: Weights) -> None:
        """As `add_scores`, but only for some documents: `scores` has one for each of `chosen`, which are in order."""
        for begin, end, factor in self._ranges(keys, factors):
            places = begin + np.searchsorted(self.slots[begin:end], chosen)
            places[places == end] = begin
            there = self.slots[places] == chosen
            scores[there] += factor * self.weights[places[there]].astype(np.float32)

    def _ranges(self, keys: Hashes, factors: Weights) -> Iterator[tuple[int, int, float]]:
        begins, ends = self.ranges(keys)
        there = begins < ends
        yield from zip(begins[there].tolist(), ends[there].tolist(), factors[there].tolist(), strict=True)

    def spread(self, of_keys: NDArray[np.float32]) -> NDArray[np.float32]:
        """One value for each posting from one for each of `keys`."""
        return np.repeat(of_keys, np.diff(self.starts))

    def with_slots(self, new: Slots) -> "Part":
        """With the documents' new slots, which are `new[old]` in the same order; those with -1 are left out."""
        slots = new[self.slots]
        alive = slots >= 0
        before = np.concatenate([[0], np.cumsum(alive)])
        counts = np.diff(before[self.starts])
        kept = counts > 0
        starts = np.concatenate([[0], np.cumsum(counts[kept])])
        documents = len(np.unique(slots[alive]))
        return Part(documents, self.keys[kept], starts, slots[alive], self.weights[alive])


def merged(first: Part, second: Part) -> Part:
    """Both as one; every slot of the second must be higher than those of the first, so each word's stay in order."""
    keys = np.union1d(first.keys, second.keys)
    places = [np.searchsorted(keys, part.keys) for part in (first, second)]
    counts = np.zeros((2, len(keys)), np.int64)
    for row, part, place in zip(counts, (first, second), places, strict=True):
        row[place] = np.diff(part.starts)
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    slots = np.empty(starts[-1], np.int32)
    weights = np.empty(starts[-1], np.float16)
    for part, begins in ((first, starts[:-1][places[0]]), (second, (starts[:-1] + counts[0])[places[1]])):
        moved = _moved(part, begins)
        slots[moved], weights[moved] = part.slots, part.weights
    return Part(first.documents + second.documents, keys, starts, slots, weights)


def _moved(part: Part, begins: Places) -> Places:
    """Where each posting of a part goes, if those of its words begin at `begins`."""
    return np.arange(len(part.slots)) + np.repeat(begins - part.starts[:-1], np.diff(part.starts))
