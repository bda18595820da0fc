"""Which earlier tickets a report is like: TF-IDF cosine over an index that grows ticket by ticket. Needs numpy.

Good at ranking, not at deciding: no cosine says that two reports are the same. Show the first few to people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from triage.decide.learned import features
from triage.decide.postings import Counted, Hashes, Part, Slots, Weights, hashed, merged

Flags: TypeAlias = NDArray[np.bool_]

TINY = 1e-6

MANY = 1_000
"""From so many tickets on, words that more than a fifth of them have find no candidates: they cost most, tell least."""
RARE = 1 + log(5)

ROOM = 1_024
"""Slots that are made at once, at least."""


@dataclass(frozen=True)
class New:
    """A ticket to be put in; its `words` are `counted`."""

    ticket: str
    words: Counted
    created: datetime


def counted(title: str, body: str) -> Counted:
    """The words of a ticket or of a question: most of the work, and for any number of threads."""
    return hashed(features.weights(features.words(title, body)))


class Index:
    """Tickets by their words. One thread at a time may use it.

    How rare a word is changes with every ticket; the length of a ticket's vector is computed anew whenever its part of
    the index grows, so the cosines are a little off in between.
    """

    def __init__(self, telling: int = 32, candidates: int = 200) -> None:
        """Make an empty one.

        So many words of a question, the most `telling` ones, find the candidates, of which there are at least as many
        as that; the other words only rank these.
        """
        self._telling, self._count = telling, candidates
        self._parts: list[Part] = []
        self._slots: dict[str, int] = {}
        self._ids: list[str] = []
        self._created = np.zeros(ROOM)
        self._lengths = np.zeros(ROOM, np.float32)
        self._alive = np.zeros(ROOM, np.bool_)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def size(self) -> int:
        """Bytes of the arrays; the ids come on top."""
        return sum(part.size for part in self._parts) + 13 * len(self._created)

    def add(self, ticket: str, title: str, body: str, created: datetime) -> None:
        """Put a ticket in, instead of what was there under its id."""
        self.add_all([New(ticket, counted(title, body), created)])

    def add_all(self, tickets: Sequence["New"]) -> None:
        """Put tickets in, at much less than the cost of one after the other; none may be there twice."""
        if not tickets:
            return
        for new in tickets:
            self.remove(new.ticket)
        self._make_room(len(tickets))
        first = len(self._ids)
        for slot, new in enumerate(tickets, first):
            self._ids.append(new.ticket)
            self._slots[new.ticket] = slot
            self._created[slot], self._alive[slot] = new.created.timestamp(), True
        self._parts.append(Part.of(first, [new.words for new in tickets]))
        self._merge()

    def remove(self, ticket: str) -> None:
        """Take a ticket out; nothing happens if it is not there."""
        slot = self._slots.pop(ticket, None)
        if slot is not None:
            self._alive[slot] = False

    def search(
        self,
        title: str,
        body: str,
        *,
        before: datetime | None = None,
        exclude: frozenset[str] = frozenset(),
        k: int = 5,
    ) -> list[tuple[str, float]]:
        """The `k` tickets most like a text, with their cosines (above 0, up to 1), the likest first.

        Only those created `before` are looked at, and none of `exclude`.
        """
        return self.search_words(counted(title, body), before=before, exclude=exclude, k=k)

    def search_words(
        self, words: Counted, *, before: datetime | None = None, exclude: frozenset[str] = frozenset(), k: int = 5
    ) -> list[tuple[str, float]]:
        """As `search`, with the words counted before."""
        keys, weights = words
        rarity = self._rarity(keys)
        order = np.argsort(-weights * rarity, kind="stable")
        keys, factors, telling = keys[order], (weights * rarity * rarity)[order], self._telling_of(rarity[order])
        chosen, scores = self._candidates(
            keys[:telling], factors[:telling], self._allowed(before, exclude), max(k, self._count)
        )
        for part in self._parts:
            part.add_scores_of(chosen, scores, keys[telling:], factors[telling:])
        scores /= np.maximum(self._lengths[chosen] * np.linalg.norm(weights * rarity), TINY)
        return self._best(chosen, scores, k)

    def _telling_of(self, rarity: Weights) -> int:
        """How many of the words, the most telling first, find candidates: none that most tickets have."""
        many = len(self._slots) >= MANY
        return int(np.count_nonzero(rarity[: self._telling] >= RARE)) if many else self._telling

    def _candidates(self, keys: Hashes, factors: Weights, allowed: Flags, count: int) -> tuple[Slots, Weights]:
        """The tickets that the most telling words speak for, with what these add to the product of the vectors."""
        scores = np.zeros(len(self._ids), np.float32)
        for part in self._parts:
            part.add_scores(scores, keys, factors)
        scores[~allowed] = 0
        likeness = scores / np.maximum(self._lengths[: len(scores)], TINY)
        if not len(scores):
            return np.empty(0, np.int32), scores
        first = np.sort(np.argpartition(-likeness, min(count, len(scores)) - 1)[:count])
        chosen = first[scores[first] > 0].astype(np.int32)
        return chosen, scores[chosen]

    def _allowed(self, before: datetime | None, exclude: frozenset[str]) -> Flags:
        count = len(self._ids)
        allowed = self._alive[:count].copy()
        if before is not None:
            allowed &= self._created[:count] < before.timestamp()
        allowed[[self._slots[ticket] for ticket in exclude if ticket in self._slots]] = False
        return allowed

    def _best(self, chosen: Slots, scores: Weights, k: int) -> list[tuple[str, float]]:
        first = np.lexsort((chosen, -scores))[:k]
        return [(self._ids[chosen[place]], min(float(scores[place]), 1.0)) for place in first]

    def _rarity(self, keys: Hashes) -> Weights:
        """The smoothed idf of each word."""
        among = np.zeros(len(keys))
        for part in self._parts:
            begins, ends = part.ranges(keys)
            among += ends - begins
        return (np.log((1 + len(self._ids)) / (1 + among)) + 1).astype(np.float32)

    def _merge(self) -> None:
        """Keep the parts few: each at least twice as large as the one after it."""
        while len(self._parts) > 1 and self._parts[-2].documents < 2 * self._parts[-1].documents:
            second, first = self._parts.pop(), self._parts.pop()
            self._parts.append(merged(first, second))
        self._measure(self._parts[-1])

    def _measure(self, part: Part) -> None:
        """Compute the lengths of the vectors of a part's tickets."""
        weighted = part.spread(self._rarity(part.keys)) * part.weights.astype(np.float32)
        slots = np.unique(part.slots)
        squares = np.bincount(part.slots, weights=np.square(weighted), minlength=len(self._ids))
        self._lengths[slots] = np.sqrt(squares[slots])

    def _make_room(self, count: int) -> None:
        """Leave out what was removed, once it is half of all, and make the arrays larger if they are too small."""
        if len(self._ids) > 2 * len(self._slots) + ROOM:
            self._compact()
        if len(self._ids) + count > len(self._created):
            grown = len(self._ids) + max(ROOM, count, len(self._ids) // 2)
            for name in ("_created", "_lengths", "_alive"):
                setattr(self, name, np.resize(getattr(self, name), grown))

    def _compact(self) -> None:
        kept = np.flatnonzero(self._alive[: len(self._ids)])
        new = np.full(len(self._ids), -1, np.int32)
        new[kept] = np.arange(len(kept))
        self._ids = [self._ids[slot] for slot in kept]
        self._slots = {ticket: slot for slot, ticket in enumerate(self._ids)}
        for name in ("_created", "_lengths", "_alive"):
            getattr(self, name)[: len(kept)] = getattr(self, name)[kept]
        self._alive[len(kept) :] = False
        self._parts = [part for part in (part.with_slots(new) for part in self._parts) if part.documents]
