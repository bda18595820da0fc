"""The cascade: who decides, in what order, and what a person is told when nobody did."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

import pytest

from triage import clock, errors
from triage.decide.cascade import TRIES, Cascade
from triage.decide.opinion import Opinion
from triage.decide.rules import Rules
from triage.model import Claim, Kind, Report, Stage
from triage.ports import ASK_PATIENCE

RULES = Rules.load()
CLEAR = Report(source="demo", source_id="1", title="Segmentation fault when saving", body="core dumped")
VAGUE = Report(source="demo", source_id="2", title="About the thing", body="It is as it is.")


def opinion(kind: str, confidence: float, *others: tuple[str, float], by: str = "learned") -> Opinion:
    """What a step thinks."""
    return Opinion(kind, confidence, others, by, f"{by}-1", "because")


UNSURE = opinion("feature", 0.5, ("question", 0.4), ("bug", 0.1))
SURE = opinion("feature", 0.97, ("bug", 0.03))


@dataclass
class Learned:
    """A classifier that thinks the same of everything."""

    thinks: Opinion

    def opinion(self, title: str, body: str) -> Opinion:
        """What it always thinks, if there is a text."""
        assert title and body
        return self.thinks

    def sure(self, opinion: Opinion) -> bool:
        """From nine tenths on."""
        return opinion.confidence >= 0.9


@dataclass(frozen=True)
class Said:
    """A model's answer."""

    opinion: Opinion | None = None
    why: str = ""


@dataclass
class Talker:
    """A model that answers as it was told, and remembers what it was asked."""

    answers: Said | Exception
    asked: list[tuple[Sequence[str], float]] = field(default_factory=list)

    def ask_for(self, claim: Claim, report: Report, alternatives: Sequence[str], deadline: float) -> Said:
        """Answer."""
        assert claim.report == report.model_dump(mode="json")
        self.asked.append((alternatives, deadline))
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers


def claim(report: Report, attempt: int = 1) -> Claim:
    """The right to decide about a report."""
    fields = report.model_dump(mode="json")
    return Claim(uuid4(), report.key, Stage.TRIAGE, 1, uuid4(), attempt, 0, clock.now(), fields)


def test_a_rule_ends_it() -> None:
    """Where a rule matches nobody else is asked."""
    model = Talker(Said(SURE))
    decision = Cascade(RULES, Learned(SURE), model).decide(CLEAR, claim(CLEAR))
    assert (decision.decided_by, decision.kind, decision.confidence) == ("rules", Kind.CRASH, 1.0)
    assert model.asked == []


def test_a_sure_classifier_ends_it() -> None:
    """What the classifier is sure of is not asked a model; severity and route stay the rules'."""
    model, base = Talker(Said(UNSURE)), RULES.decide(VAGUE)
    decision = Cascade(RULES, Learned(SURE), model).decide(VAGUE, claim(VAGUE))
    assert (decision.decided_by, decision.kind, decision.confidence) == ("learned", Kind.FEATURE, 0.97)
    assert (decision.severity, decision.route, decision.labels) == (base.severity, base.route, ())
    assert "learned-1" in decision.reason and model.asked == []


def test_a_model_is_asked_what_is_open_before_its_time_is_up() -> None:
    """An unsure classifier leaves its two likeliest kinds to the model, whose opinion counts."""
    model, ours = Talker(Said(opinion("question", 0.8, by="llm"))), claim(VAGUE)
    decision = Cascade(RULES, Learned(UNSURE), model).decide(VAGUE, ours)
    assert (decision.decided_by, decision.kind) == ("llm", Kind.QUESTION)
    assert model.asked == [(["feature", "question"], ours.started + ASK_PATIENCE.total_seconds())]


def test_without_a_classifier_a_model_is_asked_about_all_kinds() -> None:
    """Nothing learned means that nothing is ruled out."""
    model = Talker(Said(opinion("bug", 0.8, by="llm")))
    assert Cascade(RULES, None, model).decide(VAGUE, claim(VAGUE)).decided_by == "llm"
    assert model.asked[0][0] == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Said(why="the budget of the day has no room"), "the budget of the day has no room"),
        (errors.Refused("no such model"), "the model was not asked: no such model"),
    ],
)
def test_a_person_decides_with_what_was_thought(answer: Said | Exception, told: str) -> None:
    """Where nobody decides the report needs triage, with the likeliest kinds and why the model did not help."""
    decision = Cascade(RULES, Learned(UNSURE), Talker(answer)).decide(VAGUE, claim(VAGUE))
    assert (decision.decided_by, decision.labels, decision.confidence) == ("nobody", ("needs-triage",), 0.0)
    assert decision.reason == f"no rule matched; likeliest: feature 50%, question 40%; {told}"


@pytest.mark.parametrize(
    "error", [errors.NotSent("429", timedelta(seconds=7)), errors.OutcomeUnknown("timed out")], ids=repr
)
def test_a_model_that_is_away_is_tried_again_and_then_given_up(error: errors.ToolError) -> None:
    """The engine's own retries come first; at the last try a person decides instead."""
    cascade = Cascade(RULES, None, Talker(error))
    for attempt in range(1, TRIES):
        with pytest.raises(type(error)):
            cascade.decide(VAGUE, claim(VAGUE, attempt))
    decision = cascade.decide(VAGUE, claim(VAGUE, TRIES))
    assert decision.decided_by == "nobody" and "could not be reached" in decision.reason


def test_rules_alone_are_enough() -> None:
    """Without a classifier and a model every report is decided or left to a person."""
    alone = Cascade(RULES)
    assert [alone.decide(one, claim(one)).decided_by for one in (CLEAR, VAGUE)] == ["rules", "nobody"]
