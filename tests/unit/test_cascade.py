"""The cascade: who decides, in what order, and what a person is told when nobody did."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from triage import clock, errors
from triage.decide.cascade import TRIES, Cascade
from triage.decide.duplicates import Found
from triage.decide.llm.prompts import Candidate
from triage.decide.opinion import Opinion
from triage.decide.rules import Rules
from triage.model import Claim, Kind, Prints, Related, Report, Stage
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
    duplicate: str | None = None


@dataclass
class Talker:
    """A model that answers as it was told, and remembers what it was asked."""

    answers: Said | Exception
    asked: list[tuple[Sequence[str], float]] = field(default_factory=list)
    shown: list[Sequence[Candidate]] = field(default_factory=list)

    def ask_for(
        self,
        claim: Claim,
        report: Report,
        alternatives: Sequence[str],
        deadline: float,
        candidates: Sequence[Candidate] = (),
    ) -> Said:
        """Answer."""
        assert claim.report == report.model_dump(mode="json")
        self.asked.append((alternatives, deadline))
        self.shown.append(candidates)
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


HINT = Report(
    source="demo", source_id="3", title="Export", body="Steps to reproduce: open it. Expected result: a file."
)
"""Only a tentative rule says something of it."""


def test_a_tentative_rule_decides_only_what_nobody_else_does() -> None:
    """A guess from a few words gives way to a sure classifier and to a model, and stands where both pass or fail."""
    assert Cascade(RULES).decide(HINT, claim(HINT)).decided_by == "rules"
    assert Cascade(RULES, Learned(SURE)).decide(HINT, claim(HINT)).kind is Kind.FEATURE
    assert Cascade(RULES, Learned(UNSURE)).decide(HINT, claim(HINT)).decided_by == "rules"
    talker = Talker(Said(opinion("question", 0.8, by="llm")))
    assert Cascade(RULES, None, talker).decide(HINT, claim(HINT)).kind is Kind.QUESTION
    away = Talker(errors.NotSent("away"))
    assert Cascade(RULES, None, away).decide(HINT, claim(HINT)).decided_by == "rules"


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


@dataclass
class Looked:
    """What was found among earlier tickets."""

    found: Found

    def find(self, report: Report, run_id: UUID) -> Found:
        """The same for every report."""
        assert report and run_id
        return self.found


def related(likeness: float = 0.5) -> Related:
    """Another report's ticket."""
    names = {"tool": "local-tracker", "target": "triage", "ticket": "T-1", "title": "Something"}
    return Related(run_id=uuid4(), likeness=likeness, why="similar", **names)


FIRST, SECOND = related(0.6), related()
PRINTS = Prints(text="ab" * 32)
ALIKE = Found(
    PRINTS,
    related=(FIRST, SECOND),
    candidates=tuple(Candidate(str(one.run_id), one.title) for one in (FIRST, SECOND)),
    worth_asking=True,
)
REPEAT = Found(PRINTS, related=(FIRST,), kind=opinion("feature", 0.8, by="repeat"))


def test_what_is_related_stands_in_every_decision() -> None:
    """Whoever decides, the decision has the fingerprints and the tickets that the report may repeat."""
    found = replace(ALIKE, same_as=SECOND, worth_asking=False)
    cascades = [Cascade(RULES, None, None, Looked(found)), Cascade(RULES, Learned(SURE), None, Looked(found))]
    for decision in (cascade.decide(report, claim(report)) for cascade in cascades for report in (CLEAR, VAGUE)):
        assert (decision.prints, decision.same_as, decision.related) == (PRINTS, SECOND, (FIRST, SECOND))


def test_an_equal_report_decides_only_what_is_open_and_before_a_model() -> None:
    """The kind of an equal text is taken over where rules and classifier pass, and then no model is asked."""
    model = Talker(Said(opinion("bug", 0.8, by="llm")))
    deciders = [
        Cascade(RULES, classifier, model, Looked(REPEAT)).decide(report, claim(report)).decided_by
        for classifier, report in ((None, CLEAR), (Learned(SURE), VAGUE), (Learned(UNSURE), VAGUE), (None, VAGUE))
    ]
    assert deciders == ["rules", "learned", "repeat", "repeat"]
    assert model.asked == []


def test_a_model_that_is_asked_anyway_sees_the_similar_tickets() -> None:
    """It says which of them is the same; that one goes first, and nothing else of it is believed."""
    model = Talker(Said(opinion("question", 0.8, by="llm"), duplicate=str(SECOND.run_id)))
    decision = Cascade(RULES, Learned(UNSURE), model, Looked(ALIKE)).decide(VAGUE, claim(VAGUE))
    assert model.shown == [ALIKE.candidates]
    assert [(one.run_id, one.why) for one in decision.related] == [(SECOND.run_id, "model"), (FIRST.run_id, "similar")]
    assert decision.same_as is None


@pytest.mark.parametrize("made_up", [str(UUID(int=7)), "c1", "", None])
def test_an_id_that_was_not_given_is_none(made_up: str | None) -> None:
    """A model cannot name a ticket that it was not shown."""
    model = Talker(Said(opinion("question", 0.8, by="llm"), duplicate=made_up))
    decision = Cascade(RULES, Learned(UNSURE), model, Looked(ALIKE)).decide(VAGUE, claim(VAGUE))
    assert decision.related == ALIKE.related
    unasked = replace(ALIKE, candidates=())
    model.answers = Said(opinion("question", 0.8, by="llm"), duplicate=str(FIRST.run_id))
    assert Cascade(RULES, None, model, Looked(unasked)).decide(VAGUE, claim(VAGUE)).related == ALIKE.related


def test_a_clear_report_is_asked_about_only_where_a_ticket_is_worth_it() -> None:
    """The uncertain band makes the model asked although a rule decided; what it says of the kind is only noted."""
    model = Talker(Said(opinion("bug", 0.8, by="llm"), duplicate=str(FIRST.run_id)))
    decision = Cascade(RULES, None, model, Looked(ALIKE)).decide(CLEAR, claim(CLEAR))
    assert (decision.decided_by, decision.kind) == ("rules", Kind.CRASH)
    assert decision.reason.endswith("; but the model says bug (80%)")
    assert decision.related[0].why == "model"
    Cascade(RULES, None, model, Looked(replace(ALIKE, worth_asking=False))).decide(CLEAR, claim(CLEAR))
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "error", [errors.NotSent("429"), errors.Refused("no key"), errors.StoreUnavailable("away")], ids=repr
)
def test_a_model_that_fails_does_not_undo_a_decision(error: errors.TriageError) -> None:
    """Asking about a similar ticket is never tried again and never fails a report whose kind is clear."""
    decision = Cascade(RULES, None, Talker(error), Looked(ALIKE)).decide(CLEAR, claim(CLEAR))
    assert (decision.decided_by, decision.related) == ("rules", ALIKE.related)


def test_a_certain_contradiction_of_a_rule_goes_to_a_person() -> None:
    """The rule's kind, severity and route stand, but the report needs triage."""
    model, ruled = Talker(Said(opinion("feature", 0.95, by="llm"))), RULES.decide(CLEAR)
    decision = Cascade(RULES, None, model, Looked(ALIKE)).decide(CLEAR, claim(CLEAR))
    assert (decision.decided_by, decision.confidence) == ("nobody", 0.0)
    assert (decision.kind, decision.severity, decision.route) == (ruled.kind, ruled.severity, ruled.route)
    assert decision.labels == (*ruled.labels, "needs-triage") and "the model says feature (95%)" in decision.reason


def test_a_model_alone_does_not_decide_against_all_that_was_learned() -> None:
    """A kind to which the classifier gave next to nothing is for a person to confirm."""
    thought = opinion("feature", 0.88, ("question", 0.07), ("security", 0.05))
    model = Talker(Said(opinion("question", 0.99, by="llm")))
    decision = Cascade(RULES, Learned(thought), model).decide(VAGUE, claim(VAGUE))
    assert decision.decided_by == "nobody"
    assert "the model says question (99%), which is unlikely by what was learned" in decision.reason


def test_an_alarm_of_the_model_alone_says_so() -> None:
    """Where neither rules nor anything learned speak for a crash or a security problem, the reason tells."""
    reasons = [
        Cascade(RULES, None, Talker(Said(opinion(kind, 0.9, by="llm")))).decide(VAGUE, claim(VAGUE)).reason
        for kind in ("security", "crash", "bug")
    ]
    assert ["only the model says so" in reason for reason in reasons] == [True, True, False]


def test_a_decision_names_the_versions_that_had_a_say() -> None:
    """Rules always, the classifier where it was asked, prompt and model where one answered."""
    said = replace(opinion("question", 0.8, by="llm"), version="choose@0123 openai:some")
    rules = {"rules": RULES.version}
    asked = Cascade(RULES, Learned(UNSURE), Talker(Said(said)))
    assert asked.decide(CLEAR, claim(CLEAR)).versions == rules
    assert asked.decide(VAGUE, claim(VAGUE)).versions == {
        **rules, "classifier": "learned-1", "prompt": "choose@0123", "model": "openai:some"
    }  # fmt: skip
    assert Rules.load().version == RULES.version != Rules(default_route=RULES.default_route).version
