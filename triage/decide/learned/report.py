"""How good opinions are, measured on reports whose kind people said. Plain Python: rules are measured by it as well."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import sqrt

from triage.decide.opinion import Opinion
from triage.model import Json

BINS = 10
RESAMPLES = 300
SURE = 1.96
"""Standard errors on either side of a figure: 95 of 100 such intervals hold the true value."""


@dataclass(frozen=True, slots=True)
class Case:
    """What people said and what the decider said; None: it passed."""

    truth: str
    opinion: Opinion | None

    @property
    def right(self) -> bool:
        """Whether both said the same; who passes is not right."""
        return self.opinion is not None and self.opinion.kind == self.truth

    @property
    def in_first_two(self) -> bool:
        """Whether the truth is the opinion or the likeliest alternative."""
        told = self.opinion.alternatives[:1] if self.opinion else ()
        return self.right or self.truth in [kind for kind, _ in told]

    @property
    def confidence(self) -> float:
        """0 to 1."""
        return self.opinion.confidence if self.opinion else 0.0


@dataclass(frozen=True, slots=True)
class Bin:
    """The opinions with about the same confidence: how many, their mean confidence, and the share that was right."""

    cases: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Shares from 0 to 1; intervals hold the true value in 95 of 100 evaluations.

    `coverage` is the share of the reports with an opinion from `threshold` on; `accuracy_at_target` is how many of
    those were right. Both are None where there is no threshold or no such opinion. `first_two` is the share where the
    truth is the opinion or the likeliest alternative. `brier` and `ece` (expected calibration error) are about the
    likeliest class only. `confusion` counts by truth, then by opinion ("–": passed).
    """

    cases: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    majority: float
    first_two: float
    target: float
    threshold: float | None
    coverage: float | None
    accuracy_at_target: float | None
    accuracy_at_target_interval: tuple[float, float] | None
    brier: float
    ece: float
    bins: tuple[Bin, ...]
    confusion: dict[str, dict[str, int]]

    def as_json(self) -> Json:
        """All of it, for JSON."""
        return asdict(self)


PASSED = "–"


def evaluate(cases: Sequence[Case], threshold: float | None, target: float) -> Evaluation:
    """Measure; `target` is only told. Raises ValueError without cases."""
    if not cases:
        raise ValueError("there is nothing to measure")
    pairs = Counter((case.truth, case.opinion.kind if case.opinion else PASSED) for case in cases)
    right = sum(case.right for case in cases)
    sure = [] if threshold is None else [case for case in cases if case.opinion and case.confidence >= threshold]
    right_of_sure = sum(case.right for case in sure)
    bins = _bins([case for case in cases if case.opinion])
    return Evaluation(
        cases=len(cases),
        accuracy=right / len(cases),
        accuracy_interval=interval(right, len(cases)),
        macro_f1=macro_f1(pairs),
        macro_f1_interval=_resampled(pairs),
        majority=max(Counter(case.truth for case in cases).values()) / len(cases),
        first_two=sum(case.in_first_two for case in cases) / len(cases),
        target=target,
        threshold=threshold,
        coverage=None if threshold is None else len(sure) / len(cases),
        accuracy_at_target=right_of_sure / len(sure) if sure else None,
        accuracy_at_target_interval=interval(right_of_sure, len(sure)) if sure else None,
        brier=sum((case.confidence - case.right) ** 2 for case in cases) / len(cases),
        ece=sum(one.cases * abs(one.confidence - one.right) for one in bins) / len(cases),
        bins=bins,
        confusion=_confusion(pairs),
    )


def interval(right: int, of: int) -> tuple[float, float]:
    """Where a share surely lies (Wilson's interval, 95 %): right also for few cases and near 0 and 1."""
    share, room = right / of, SURE**2 / of
    middle = (share + room / 2) / (1 + room)
    half = SURE * sqrt(share * (1 - share) / of + room / (4 * of)) / (1 + room)
    return max(0.0, middle - half), min(1.0, middle + half)


def macro_f1(pairs: Counter[tuple[str, str]]) -> float:
    """The mean of the F1 of all classes that people said; each class counts alike."""
    truths, told = Counter[str](), Counter[str]()
    for (truth, opinion), count in pairs.items():
        truths[truth] += count
        told[opinion] += count
    scores = [2 * pairs[kind, kind] / (truths[kind] + told[kind]) for kind in truths]
    return sum(scores) / len(scores)


def threshold_for(cases: Sequence[Case], target: float) -> float | None:
    """The lowest confidence from which on a share of `target` is right; None if there is none.

    One more wrong opinion is counted than there was, so that a few lucky ones do not make a threshold.
    """
    ranked = sorted((case for case in cases if case.opinion), key=lambda case: -case.confidence)
    rights = list(accumulate(case.right for case in ranked))
    found = None
    for place, case in enumerate(ranked):
        last_of_its_like = place + 1 == len(ranked) or ranked[place + 1].confidence < case.confidence
        if last_of_its_like and rights[place] / (place + 2) >= target:
            found = case.confidence
    return found


def curve(cases: Sequence[Case]) -> list[tuple[float, float]]:
    """Coverage and accuracy at each possible threshold, the strictest first."""
    ranked = sorted((case for case in cases if case.opinion), key=lambda case: -case.confidence)
    rights = accumulate(case.right for case in ranked)
    return [(place / len(cases), right / place) for place, right in enumerate(rights, 1)]


def _bins(cases: Sequence[Case]) -> tuple[Bin, ...]:
    shares: list[list[Case]] = [[] for _ in range(BINS)]
    for case in cases:
        shares[min(int(case.confidence * BINS), BINS - 1)].append(case)
    return tuple(_bin(share) for share in shares if share)


def _bin(cases: Sequence[Case]) -> Bin:
    confidence = sum(case.confidence for case in cases) / len(cases)
    return Bin(len(cases), confidence, sum(case.right for case in cases) / len(cases))


def _resampled(pairs: Counter[tuple[str, str]]) -> tuple[float, float]:
    """The bootstrap's 95 % of macro-F1; always the same for the same cases."""
    draw = random.Random(0)  # noqa: S311 - no secret
    kinds, counts = list(pairs), list(pairs.values())
    found = sorted(macro_f1(Counter(draw.choices(kinds, counts, k=sum(counts)))) for _ in range(RESAMPLES))
    return found[int(RESAMPLES * 0.025)], found[int(RESAMPLES * 0.975)]


def _confusion(pairs: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    kinds = sorted({kind for pair in pairs for kind in pair} - {PASSED})
    columns = [*kinds, *([PASSED] if any(told == PASSED for _, told in pairs) else [])]
    truths = sorted({truth for truth, _ in pairs})
    return {truth: {told: pairs[truth, told] for told in columns} for truth in truths}
