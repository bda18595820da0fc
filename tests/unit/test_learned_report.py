"""Figures about opinions, against values computed by hand."""

from collections import Counter

import pytest

from triage.decide.learned.report import Case, curve, evaluate, interval, macro_f1, threshold_for
from triage.decide.opinion import Opinion


def case(truth: str, told: str | None, confidence: float = 1.0, second: str = "none") -> Case:
    """An opinion with one alternative."""
    return Case(truth, (told and Opinion(told, confidence, ((second, 0.0),), "test", "1", "")) or None)


CASES = [
    case("bug", "bug", 0.9),
    case("bug", "bug", 0.8),
    case("bug", "feature", 0.6, second="bug"),
    case("feature", "feature", 0.8),
    case("feature", None),
]


def test_figures_by_hand() -> None:
    """Accuracy, macro-F1, coverage and the rest are what the definitions give."""
    found = evaluate(CASES, 0.8, 0.9)
    assert found.accuracy == 3 / 5
    assert found.majority == 3 / 5
    assert found.first_two == 4 / 5
    assert found.macro_f1 == pytest.approx((4 / 5 + 2 / 4) / 2)
    assert (found.coverage, found.accuracy_at_target) == (3 / 5, 1.0)
    assert found.brier == pytest.approx((0.1**2 + 0.2**2 + 0.6**2 + 0.2**2 + 0**2) / 5)
    assert found.ece == pytest.approx((0.1 * 1 + 0.2 * 2 + 0.6 * 1) / 5)
    assert [(one.cases, one.right) for one in found.bins] == [(1, 0.0), (2, 1.0), (1, 1.0)]
    assert found.confusion == {
        "bug": {"bug": 2, "feature": 1, "–": 0},
        "feature": {"bug": 0, "feature": 1, "–": 1},
    }


def test_nothing_decided() -> None:
    """Without a threshold there is no coverage; with one that nothing reaches it is zero."""
    assert evaluate(CASES, None, 0.9).coverage is None
    none = evaluate(CASES, 0.95, 0.9)
    assert (none.coverage, none.accuracy_at_target, none.accuracy_at_target_interval) == (0.0, None, None)
    with pytest.raises(ValueError, match="nothing to measure"):
        evaluate([], None, 0.9)


def test_wilsons_interval() -> None:
    """The interval is Wilson's: 8 of 10 is somewhere between 49 % and 94 %."""
    assert interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert interval(0, 5)[0] == 0 and interval(5, 5)[1] == pytest.approx(1)


def test_the_interval_of_macro_f1_holds_it() -> None:
    """The bootstrap is about the figure, and the same each time."""
    many = CASES * 20
    found = evaluate(many, 0.8, 0.9)
    assert found.macro_f1_interval[0] < found.macro_f1 < found.macro_f1_interval[1]
    assert found == evaluate(many, 0.8, 0.9)


def test_a_few_lucky_opinions_make_no_threshold() -> None:
    """Eight right opinions are not enough for 0.9, nine are: one more wrong one is counted."""
    right = [case("bug", "bug", 0.9 - number / 100) for number in range(9)]
    assert threshold_for(right[:8], 0.9) is None
    assert threshold_for(right, 0.9) == pytest.approx(0.82)


def test_the_lowest_threshold_that_keeps_the_target() -> None:
    """Right ones above and wrong ones below: the threshold is where the target is just kept."""
    ranked = [case("bug", "bug", 0.99 - number / 1000) for number in range(30)]
    wrong = [case("bug", "feature", 0.5 - number / 1000) for number in range(10)]
    assert threshold_for(ranked + wrong, 0.9) == pytest.approx(0.499)
    assert threshold_for(ranked + wrong, 0.95) == pytest.approx(0.961)


def test_a_threshold_never_parts_equal_confidences() -> None:
    """Opinions with the same confidence are decided together or not at all."""
    same = [case("bug", "bug", 0.9)] * 20 + [case("bug", "feature", 0.9)] * 20
    assert threshold_for(same, 0.9) is None


def test_accuracy_against_coverage() -> None:
    """The curve goes from the surest opinion to all of them; who passed is never covered."""
    assert curve(CASES) == [(1 / 5, 1.0), (2 / 5, 1.0), (3 / 5, 1.0), (4 / 5, 3 / 4)]


def test_a_kind_that_nobody_said_counts_only_as_a_mistake() -> None:
    """Macro-F1 is the mean over the kinds that people said."""
    assert macro_f1(Counter({("bug", "bug"): 1, ("bug", "outage"): 1})) == pytest.approx(2 / 3)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_an_opinion_keeps_to_probabilities(confidence: float) -> None:
    """A confidence that is no probability is refused, also among the alternatives."""
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        Opinion("bug", confidence, (), "test", "1", "")
    with pytest.raises(ValueError, match="is not between 0 and 1"):
        Opinion("bug", 0.5, (("feature", confidence),), "test", "1", "")
