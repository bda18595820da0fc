"""A trained model: what it says about a report. Needs numpy, not scikit-learn."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from triage.decide.learned import features
from triage.decide.opinion import Opinion
from triage.model import Json, Report

Floats: TypeAlias = NDArray[np.float32]

STEP = "learned"
ALTERNATIVES = 3
WORDS_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Model:
    """Multinomial logistic regression over the words and phrases of a report.

    `idf` has a number for each of `words`; `coefficients` has a row for each word and a column for each of `classes`;
    `intercepts` has a number for each class. The scores are divided by `temperature` before they become probabilities.
    From the probability `threshold` on its opinions are right with a share of `target`; None: no threshold reaches it.
    `numbers` are those of the cross-validation.
    """

    classes: tuple[str, ...]
    words: tuple[str, ...]
    idf: Floats
    coefficients: Floats
    intercepts: Floats
    temperature: float
    threshold: float | None
    target: float
    trained_at: datetime
    numbers: Json

    @cached_property
    def version(self) -> str:
        """`learned-` and the start of a SHA-256 over all that an opinion depends on; the same labels give the same."""
        said = [self.classes, self.words, self.temperature, self.threshold, self.target]
        content = hashlib.sha256(json.dumps(said).encode())
        for array in (self.idf, self.coefficients, self.intercepts):
            content.update(array.astype("<f4").tobytes())
        return f"{STEP}-{content.hexdigest()[:12]}"

    def decide(self, report: Report) -> Opinion | None:
        """The opinion if it is sure enough for the target, else None."""
        opinion = self.opinion(report.title, report.body)
        return opinion if self.sure(opinion) else None

    def sure(self, opinion: Opinion) -> bool:
        """Whether an opinion reaches the threshold."""
        return self.threshold is not None and opinion.confidence >= self.threshold

    def threshold_for(self, target: float) -> float | None:
        """The threshold for another target, also from the cross-validation; None if no threshold reaches it."""
        if target == self.target:
            return self.threshold
        kept = self.numbers.get("thresholds")
        found = kept.get(f"{target:.2f}") if isinstance(kept, dict) else None
        return float(found) if isinstance(found, (int, float)) else None

    def opinion(self, title: str, body: str) -> Opinion:
        """The likeliest class of any text, however unsure, with the next likeliest ones."""
        found, values = self._vector(title, body)
        chances = self._chances(found, values)
        ranked = [int(place) for place in np.argsort(-chances, kind="stable")[: ALTERNATIVES + 1]]
        (best, *others) = [(self.classes[place], float(chances[place])) for place in ranked]
        reason = self._reason(ranked[0], found, values)
        return Opinion(*best, alternatives=tuple(others), decided_by=STEP, version=self.version, reason=reason)

    def probabilities(self, title: str, body: str) -> NDArray[np.float64]:
        """One for each of `classes`; they add up to 1."""
        return self._chances(*self._vector(title, body))

    def _chances(self, found: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        # Not `@`: that may wake threads, which costs more than it gives on a busy machine.
        scores = ((values[:, None] * self.coefficients[found]).sum(axis=0) + self.intercepts) / self.temperature
        grown = np.exp(scores - scores.max())
        chances: NDArray[np.float64] = grown / grown.sum()
        return chances

    def _vector(self, title: str, body: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The places of the known words in the text, and their TF-IDF weights, of length 1 together."""
        counted = features.phrases(title, body)
        known = {self._places[word]: count for word, count in counted.items() if word in self._places}
        found = np.fromiter(sorted(known), np.int64, len(known))
        values = (1.0 + np.log([float(known[place]) for place in sorted(known)])) * self.idf[found]
        return found, values / (np.sqrt(np.square(values).sum()) or 1.0)

    def _reason(self, best: int, found: NDArray[np.int64], values: NDArray[np.float64]) -> str:
        """The words that spoke most for the class, against the mean of all classes."""
        rows = self.coefficients[found]
        told = values * (rows[:, best] - rows.mean(axis=1))
        first = [place for place in np.argsort(-told, kind="stable")[:WORDS_SHOWN] if told[place] > 0]
        shown = ", ".join(f"“{self.words[found[place]]}”" for place in first)
        return f"closed reports with {shown} were this" if shown else "none of its words is known; the commonest kind"

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}
