"""The learned classifier: what it needs, what it says, and that it says what scikit-learn says."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tests.unit.labelled import START, reports
from triage.decide.learned import features, fileformat, training
from triage.decide.learned.model import Model
from triage.decide.learned.training import CannotLearn, Folds, LabelledReport, Trained, train
from triage.model import Report

TARGET = 0.9


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A model of three kinds."""
    return train(reports(150), TARGET)


def theirs(labelled: list[LabelledReport], strength: float) -> tuple[TfidfVectorizer, LogisticRegression]:
    """The same by scikit-learn alone; its words are repeated as often as ours are counted."""

    def analyse(report: LabelledReport) -> list[str]:
        return list(features.phrases(report.title, report.body).elements())

    words = TfidfVectorizer(analyzer=analyse, sublinear_tf=True, min_df=training.MIN_REPORTS)
    matrix = words.fit_transform(labelled)
    return words, LogisticRegression(C=strength, max_iter=1_000).fit(matrix, [report.label for report in labelled])


@pytest.mark.parametrize("kinds", [("bug", "feature"), ("bug", "feature", "question")])
def test_its_probabilities_are_those_of_scikit_learn(kinds: tuple[str, ...]) -> None:
    """The inference without scikit-learn gives scikit-learn's probabilities, but for the calibration's temperature."""
    labelled = reports(90, kinds)
    model = train(labelled, TARGET).model
    words, fitted = theirs(labelled, model.numbers["strength"])
    for report in [*labelled, LabelledReport("", "nothing known: qqqq", "")]:
        ours = replace(model, temperature=1.0).probabilities(report.title, report.body)
        np.testing.assert_allclose(ours, fitted.predict_proba(words.transform([report]))[0], atol=2e-5)
    assert model.classes == tuple(fitted.classes_)
    assert set(model.words) == set(words.get_feature_names_out())


def test_it_learns(trained: Trained) -> None:
    """On reports that it did not see it is right far more often than by always saying the commonest kind."""
    assert trained.evaluation.majority < 0.4
    assert trained.evaluation.accuracy > 0.8
    assert trained.evaluation.first_two > trained.evaluation.accuracy


def test_above_the_threshold_it_is_as_right_as_the_target(trained: Trained) -> None:
    """Cross-validation finds a threshold that keeps the target and still decides most reports."""
    assert trained.evaluation.accuracy_at_target is not None and trained.evaluation.coverage is not None
    assert trained.evaluation.accuracy_at_target >= TARGET
    assert 0.5 < trained.evaluation.coverage < 1


def test_it_passes_when_it_is_not_sure(trained: Trained) -> None:
    """A clear report gets an opinion with a reason, one without any known word gets none."""
    clear = Report(source="s", source_id="1", title="crash: exception and traceback", body="wrong, broken, error")
    opinion = trained.model.decide(clear)
    assert opinion is not None
    assert (opinion.kind, opinion.decided_by, opinion.version) == ("bug", "learned", trained.model.version)
    assert "“exception”" in opinion.reason
    assert [kind for kind, _ in opinion.alternatives] in (["feature", "question"], ["question", "feature"])
    unknown = clear.model_copy(update={"title": "qqqq", "body": ""})
    assert trained.model.decide(unknown) is None
    assert "none of its words is known" in trained.model.opinion("qqqq", "").reason


def test_without_a_threshold_it_never_decides(trained: Trained) -> None:
    """Where no threshold reaches the target, every report is passed on."""
    never = replace(trained.model, threshold=None)
    assert never.decide(Report(source="s", source_id="1", title="crash exception traceback error")) is None


def test_labels_that_mean_nothing_make_no_threshold() -> None:
    """When the label has nothing to do with the text, no confidence is enough for the target."""
    found = train(reports(90, noise=1.0), 0.95)
    assert found.model.threshold is None
    assert found.evaluation.coverage is None and found.evaluation.accuracy_at_target is None


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_confidence_is_how_often_it_is_right(noise: float) -> None:
    """The mean confidence about reports that it did not see is near the share that was right, also for pure noise."""
    found = train(reports(240, noise=noise), TARGET)
    mean = sum(case.confidence for case in found.cases) / len(found.cases)
    assert mean == pytest.approx(found.evaluation.accuracy, abs=0.06)


def test_the_temperature_counts(trained: Trained) -> None:
    """A hotter model has the same opinions and is less sure of them."""
    cool, hot = (replace(trained.model, temperature=degree).opinion("crash error", "") for degree in (1.0, 4.0))
    assert hot.kind == cool.kind and hot.confidence < cool.confidence


def test_the_same_labels_make_the_same_model(trained: Trained) -> None:
    """The version is a digest of what opinions depend on: equal after training again, another for another target."""
    again = train(reports(150), TARGET).model
    assert again.version == trained.model.version
    assert replace(again, target=0.8).version != again.version
    changed = again.coefficients.copy()
    changed[0, 0] += 1
    assert replace(again, coefficients=changed).version != again.version


def test_the_progress_is_told() -> None:
    """Every fit is one step of as many as are announced."""
    steps: list[int] = []
    train(reports(60), TARGET, step=lambda: steps.append(1))
    assert len(steps) == training.STEPS


def test_copies_are_never_on_both_sides() -> None:
    """Labels that have nothing to do with the texts do not look learnable because each text is there five times."""
    copies = [report for report in reports(60, noise=1.0) for _ in range(5)]
    assert train(copies, TARGET).evaluation.accuracy < 0.55


def test_in_time_it_is_measured_on_later_reports_only() -> None:
    """With folds in time the second half is measured, and a text that was there before is not."""
    labelled = reports(80)
    copy = replace(labelled[0], created=START.replace(year=2031))
    found = train([*reversed(labelled), copy], TARGET, Folds.TIME)
    assert found.evaluation.cases == 40
    assert sorted(case.truth for case in found.cases) == sorted(report.label for report in labelled[40:])


def test_a_kind_that_comes_up_later_costs_nothing_but_mistakes() -> None:
    """With folds in time a kind that is not in the past is simply not foreseen."""
    old = reports(40, ("bug",)), reports(80, ("bug", "feature"))[40:]
    found = train([report for part in old for report in part], TARGET, Folds.TIME)
    assert 0 < found.evaluation.confusion["feature"]["bug"] < 20


@pytest.mark.parametrize(
    ("labelled", "problem"),
    [
        ([], "0 labelled reports with different texts; at least 15"),
        (reports(14), "14 labelled reports with different texts; at least 15"),
        (reports(3) * 10, "3 labelled reports with different texts; at least 15"),
        (reports(20, ("bug",)), "1 different labels; 2 to 100"),
        ([*reports(20, ("bug",)), *reports(4, ("question",))], "each label needs 5 .* but question has 4"),
    ],
)
def test_too_few_labels_are_refused(labelled: list[LabelledReport], problem: str) -> None:
    """What is missing is told with numbers; copies of a report count once."""
    with pytest.raises(CannotLearn, match=problem):
        train(labelled, TARGET)


def test_the_fewest_labels_are_enough() -> None:
    """Fifteen labels, five of each kind, make a model."""
    assert train(reports(15), TARGET).model.classes == ("bug", "feature", "question")


def test_in_time_every_report_needs_its_time() -> None:
    """Without times there is no before and after."""
    with pytest.raises(CannotLearn, match="every report needs its time"):
        train([*reports(30), LabelledReport("bug", "no time")], TARGET, Folds.TIME)


def test_thresholds_for_other_targets_are_kept(trained: Trained) -> None:
    """A stricter target has a higher threshold, and one that was not kept has none."""
    own = trained.model.threshold_for(TARGET)
    assert own == trained.model.threshold
    lenient, strict = trained.model.threshold_for(0.85), trained.model.threshold_for(0.95)
    assert lenient is not None and own is not None and lenient <= own
    assert strict is None or strict >= own
    assert trained.model.threshold_for(0.123) is None


def test_words_of_one_report_only_are_not_kept(trained: Trained) -> None:
    """What is in one report only, perhaps a secret, is no word of the model; the numbers in the titles are such."""
    assert not [word for word in trained.model.words if any(part.isdigit() for part in word.split())]


def test_a_huge_report_is_bounded(trained: Trained) -> None:
    """What comes after the bound of a body changes nothing."""
    body = "crash " * (features.BODY_CHARS // 6 + 1)
    assert len(body) > features.BODY_CHARS
    assert trained.model.opinion("t", body + "please add " * 10_000) == trained.model.opinion("t", body)


def test_words_of_a_report() -> None:
    """Titles count twice, names in camel case also by their parts, versions as a whole; single letters are left out."""
    assert features.words("HttpError 2.49.5", "httpError é3") == {
        "httperror": 3,
        "http": 3,
        "error": 3,
        "2.49.5": 2,
        "49": 2,
        "é3": 1,
    }
    assert "b c" not in features.phrases("", "a b\nc d") and features.phrases("a b", "a b")["a b"] == 3
    assert not features.words("x" * 41, "")


def test_a_model_holds_what_it_was_told(trained: Trained) -> None:
    """The numbers of the cross-validation are in the model, and its arrays fit together."""
    model: Model = trained.model
    assert model.numbers["labels"] == 150 and model.numbers["accuracy"] == trained.evaluation.accuracy
    assert model.coefficients.shape == (len(model.words), 3) and model.idf.shape == (len(model.words),)


def test_opinions_need_neither_scikit_learn_nor_scipy(trained: Trained, tmp_path: Path) -> None:
    """A worker that loads a model and asks it imports numpy, and nothing of the training."""
    fileformat.save(trained.model, tmp_path / "our.model")
    program = (
        "import sys; from pathlib import Path; from triage.decide.learned import fileformat; "
        "opinion = fileformat.load(Path(sys.argv[1])).opinion('crash exception', ''); "
        "print(opinion.kind, 'numpy' in sys.modules, {'sklearn', 'scipy', 'PIL'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "our.model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "bug True set()\n"
