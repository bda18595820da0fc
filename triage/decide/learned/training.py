"""Training: labelled reports become a model whose probabilities and threshold come from cross-validation.

Needs scikit-learn; its arrays are made of the same words that the model looks up later.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import log
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.sparse import csr_array  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from triage.decide.learned import features
from triage.decide.learned.model import STEP, Floats, Model
from triage.decide.learned.report import Case, Evaluation, evaluate, threshold_for
from triage.decide.learned.reports import LabelledReport
from triage.decide.opinion import Opinion
from triage.errors import TriageError

__all__ = ["CannotLearn", "Folds", "LabelledReport", "Trained", "train"]

FEWEST_LABELS = 15
FEWEST_OF_A_CLASS = 5
MOST_CLASSES = 100
MOST_WORDS = 30_000
MIN_REPORTS = 2
"""In how many reports a word must be: what is in one only teaches nothing, and may be a secret."""
FOLDS = 5
STRENGTHS = (1.0, 5.0, 25.0)
"""How freely the coefficients may follow the labels (scikit-learn's C); cross-validation chooses."""
TARGETS = tuple(percent / 100 for percent in range(50, 100))
"""For which the threshold is kept as well, so that other targets can be tried out on new reports."""
STEPS = FOLDS * len(STRENGTHS) + 1
"""Of the progress: each is one fit."""

Doubles: TypeAlias = NDArray[np.float64]
Split: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


class CannotLearn(TriageError):
    """The labels are too few, or all the same; the message says what is missing."""


class Folds(StrEnum):
    """How reports are kept apart for cross-validation."""

    MIXED = "mixed"
    """Each class evenly."""
    TIME = "time"
    """Always learning from the past and measured on what came after, as it will be in use."""


@dataclass(frozen=True)
class Trained:
    """The model and how good it was on reports that it had not seen; `cases` are those."""

    model: Model
    evaluation: Evaluation
    cases: Sequence[Case]


@dataclass(frozen=True)
class _Fitted:
    """Scores (rows: reports, columns: classes) for reports that were not seen in training."""

    scores: Doubles
    temperature: float
    loss: float


def train(
    reports: Sequence[LabelledReport],
    target: float,
    folds: Folds = Folds.MIXED,
    step: Callable[[], None] = lambda: None,
) -> Trained:
    """Learn from labels. `target` is the share of its opinions above the threshold that should be right.

    `step` is called after each of `STEPS` fits. The same reports in the same order give the same model.

    Raises:
        CannotLearn: fewer than 15 labels, fewer than 5 of a class, fewer than 2 classes, or for `Folds.TIME` no times.
    """
    _check(reports, folds)
    # More threads than free processors make the many small steps ten times slower, not faster.
    with threadpool_limits(1):
        return _train(_Work(reports, folds, step), target, folds)


def _train(work: "_Work", target: float, folds: Folds) -> Trained:
    strength, fitted = min(work.attempts(), key=lambda attempt: attempt[1].loss)
    cases = work.cases(fitted)
    threshold = threshold_for(cases, target)
    found = evaluate(cases, threshold, target)
    coefficients, intercepts = work.final(strength)
    model = Model(
        classes=work.classes,
        words=work.vocabulary.words,
        idf=work.vocabulary.idf,
        coefficients=coefficients,
        intercepts=intercepts,
        temperature=fitted.temperature,
        threshold=threshold,
        target=target,
        trained_at=datetime.now(UTC),
        numbers={
            "labels": work.size,
            "folds": folds.value,
            "strength": strength,
            "thresholds": {f"{other:.2f}": threshold_for(cases, other) for other in TARGETS},
            **found.as_json(),
        },
    )
    return Trained(model, found, cases)


def _check(reports: Sequence[LabelledReport], folds: Folds) -> None:
    """Count each text once: copies of a report teach nothing more."""
    counts = Counter(label for label, _ in {(report.label, report.same) for report in reports})
    if (labels := counts.total()) < FEWEST_LABELS:
        raise CannotLearn(f"{labels} labelled reports with different texts; at least {FEWEST_LABELS} are needed")
    if not 1 < len(counts) <= MOST_CLASSES:
        raise CannotLearn(f"{len(counts)} different labels; 2 to {MOST_CLASSES} can be learned")
    if few := [f"{label} has {count}" for label, count in sorted(counts.items()) if count < FEWEST_OF_A_CLASS]:
        raise CannotLearn(
            f"each label needs {FEWEST_OF_A_CLASS} reports with different texts, but {', '.join(few)}: "
            "add more, leave the label out, or count it as another one"
        )
    if folds is Folds.TIME and any(report.created is None for report in reports):
        raise CannotLearn("to learn from the past and measure on what came after, every report needs its time")


@dataclass(frozen=True)
class _Vocabulary:
    """The words that are in enough reports, the commonest ones if there are too many, and their idf."""

    words: tuple[str, ...]
    idf: Floats

    @classmethod
    def of(cls, counted: Sequence[Counter[str]]) -> "_Vocabulary":
        among = Counter(word for words in counted for word in words)
        common = sorted((-count, word) for word, count in among.items() if count >= MIN_REPORTS)[:MOST_WORDS]
        words = tuple(sorted(word for _, word in common))
        # Smoothed as if one more report had every word: scikit-learn's own.
        idf = [np.log((1 + len(counted)) / (1 + among[word])) + 1 for word in words]
        return cls(words, np.array(idf, np.float32))

    def matrix(self, counted: Sequence[Counter[str]]) -> Any:  # noqa: ANN401 - scipy is not typed
        """A row for each report, of length 1."""
        places = {word: place for place, word in enumerate(self.words)}
        values, columns, ends = [np.empty(0)], [], [0]
        for words in counted:
            known = sorted((places[word], 1 + log(count)) for word, count in words.items() if word in places)
            columns += [place for place, _ in known]
            row = np.array([value for _, value in known]) * self.idf[columns[ends[-1] :]]
            values.append(row / (np.linalg.norm(row) or 1.0))
            ends.append(len(columns))
        return csr_array((np.concatenate(values), columns, ends), shape=(len(counted), len(self.words)))


class _Work:
    """The reports as numbers, and what is fitted to them."""

    def __init__(self, reports: Sequence[LabelledReport], folds: Folds, step: Callable[[], None]) -> None:
        self.size = len(reports)
        self.classes = tuple(sorted({report.label for report in reports}))
        self._truth = np.array([self.classes.index(report.label) for report in reports])
        self._counted = [features.phrases(report.title, report.body) for report in reports]
        self.vocabulary = _Vocabulary.of(self._counted)
        self._splits = list(_in_time(reports) if folds is Folds.TIME else _mixed(reports, self._truth))
        self._tested = np.concatenate([test for _, test in self._splits])
        self._step = step

    def attempts(self) -> Iterator[tuple[float, _Fitted]]:
        """Every strength with what it says about the reports that it did not see."""
        parts = [(rest, *self._matrices(rest, test)) for rest, test in self._splits]
        for strength in STRENGTHS:
            scores = np.concatenate([self._scored(rest, seen, unseen, strength) for rest, seen, unseen in parts])
            yield strength, _calibrated(scores, self._truth[self._tested])

    def cases(self, fitted: _Fitted) -> list[Case]:
        """The opinions about the reports that were not seen."""
        chances = _softmax(fitted.scores / fitted.temperature)
        truths = self._truth[self._tested]
        return [Case(self.classes[truth], self._opinion(row)) for truth, row in zip(truths, chances, strict=True)]

    def final(self, strength: float) -> tuple[Floats, Floats]:
        """Coefficients and intercepts from all reports."""
        coefficients, intercepts = self._fit(self.vocabulary.matrix(self._counted), self._truth, strength)
        return coefficients.astype(np.float32), intercepts.astype(np.float32)

    def _matrices(self, rest: NDArray[np.int64], test: NDArray[np.int64]) -> tuple[Any, Any]:
        """With words of the reports to learn from only, as in use."""
        seen, unseen = ([self._counted[place] for place in places] for places in (rest, test))
        vocabulary = _Vocabulary.of(seen)
        return vocabulary.matrix(seen), vocabulary.matrix(unseen)

    def _scored(self, rest: NDArray[np.int64], seen: Any, unseen: Any, strength: float) -> Doubles:  # noqa: ANN401 - scipy is not typed
        coefficients, intercepts = self._fit(seen, self._truth[rest], strength)
        scores: Doubles = unseen @ coefficients + intercepts
        return scores

    def _fit(self, matrix: Any, truth: NDArray[np.int64], strength: float) -> tuple[Doubles, Doubles]:  # noqa: ANN401 - scipy is not typed
        """A column for each class; one that is not among `truth` gets scores that leave it no chance."""
        coefficients = np.zeros((matrix.shape[1], len(self.classes)))
        intercepts = np.full(len(self.classes), -50.0)
        present = np.unique(truth)
        if len(present) == 1:
            intercepts[present] = 0.0
        else:
            fitted = LogisticRegression(C=strength, max_iter=1_000).fit(matrix, truth)
            coefficients[:, present], intercepts[present] = _one_each(fitted.coef_, fitted.intercept_)
        self._step()
        return coefficients, intercepts

    def _opinion(self, chances: Doubles) -> Opinion:
        ranked = [(self.classes[place], float(chances[place])) for place in np.argsort(-chances, kind="stable")]
        (kind, confidence), *others = ranked
        return Opinion(kind, confidence, tuple(others), STEP, "", "")


def _one_each(coefficients: Doubles, intercepts: Doubles) -> tuple[Doubles, Doubles]:
    """Of two classes scikit-learn gives one row; its half for and against says the same for softmax."""
    if len(intercepts) == 1:
        coefficients, intercepts = (np.concatenate([-half, half]) / 2 for half in (coefficients, intercepts))
    return coefficients.T, intercepts


def _mixed(reports: Sequence[LabelledReport], truth: NDArray[np.int64]) -> Iterator[Split]:
    """The same text is never on both sides."""
    groups = [report.same for report in reports]
    numbers = {same: number for number, same in enumerate(dict.fromkeys(groups))}
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    yield from folds.split(np.zeros(len(groups)), truth, [numbers[same] for same in groups])


def _in_time(reports: Sequence[LabelledReport]) -> Iterator[Split]:
    """The second half of time in parts of equal size, each after all that it is measured with."""
    beginning = datetime.min.replace(tzinfo=UTC)
    order = sorted(range(len(reports)), key=lambda place: (reports[place].created or beginning, place))
    first: dict[bytes, int] = defaultdict(int)
    for place in order:
        first.setdefault(reports[place].same, place)
    half = len(order) // 2
    for part in np.array_split(np.array(order[half:]), FOLDS):
        rest = np.array(order[: order.index(part[0])])
        yield rest, np.array([place for place in part if first[reports[place].same] == place], dtype=np.int64)


def _calibrated(scores: Doubles, truth: NDArray[np.int64]) -> _Fitted:
    """The temperature that makes the probabilities as often right as they say."""

    def loss(cooling: float) -> float:
        chances = _softmax(scores / np.exp(cooling))
        return float(-np.log(np.maximum(chances[np.arange(len(truth)), truth], 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return _Fitted(scores, float(np.exp(found.x)), float(found.fun))


def _softmax(scores: Doubles) -> Doubles:
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: Doubles = grown / grown.sum(axis=1, keepdims=True)
    return chances
