"""Who decides: rules, then the learned classifier, then a model, then a person. The first one that is sure ends it."""

from collections.abc import Sequence
from typing import Protocol

from triage import errors
from triage.decide.opinion import Opinion
from triage.decide.rules import Rules
from triage.model import Claim, Decision, Kind, Report
from triage.ports import ASK_PATIENCE

TRIES = 3
"""How often a model that cannot be reached is tried for a run before a person decides."""
ASKED_ABOUT = 2
"""Of so many kinds the likeliest ones are put to the model: a choice is cheaper, and right more often."""


class Classifier(Protocol):
    """What was learned from people's decisions."""

    def opinion(self, title: str, body: str) -> Opinion:
        """The likeliest kind, however unsure."""
        ...

    def sure(self, opinion: Opinion) -> bool:
        """Whether it is as often right as was asked for."""
        ...


class Answer(Protocol):
    """What came of asking a model: an opinion, or `why` there is none."""

    @property
    def opinion(self) -> Opinion | None:
        """Its opinion, if it had one."""
        ...

    @property
    def why(self) -> str:
        """Why a person has to decide."""
        ...


class Model(Protocol):
    """A language model that costs money."""

    def ask_for(self, claim: Claim, report: Report, alternatives: Sequence[str], deadline: float) -> Answer:
        """Ask before the deadline, in seconds of `clock.now()`, if the budgets have room; raises `ToolError`."""
        ...


class Cascade:
    """A `ports.Decider`. Only the rules need to be there."""

    def __init__(self, rules: Rules, classifier: Classifier | None = None, model: Model | None = None) -> None:
        """Opens nothing."""
        self._rules = rules
        self._classifier = classifier
        self._model = model

    def decide(self, report: Report, claim: Claim) -> Decision:
        """Decide, or leave it to a person with what was thought so far; see `ports.Decider`."""
        decision = self._rules.decide(report)
        if decision.decided_by != "nobody":
            return decision
        opinion = self._classifier.opinion(report.title, report.body) if self._classifier else None
        if opinion and self._classifier and self._classifier.sure(opinion):
            return _decided(decision, opinion)
        answer, why = self._asked(report, claim, opinion)
        return _decided(decision, answer) if answer else _undecided(decision, opinion, why)

    def _asked(self, report: Report, claim: Claim, opinion: Opinion | None) -> tuple[Opinion | None, str]:
        if self._model is None:
            return None, ""
        deadline = claim.started + ASK_PATIENCE.total_seconds()
        try:
            answer = self._model.ask_for(claim, report, _open_kinds(opinion), deadline)
        except errors.Refused as error:  # its credentials, or a model that does not exist: people mend that
            return None, f"the model was not asked: {error}"
        except (errors.NotSent, errors.OutcomeUnknown) as error:
            if claim.attempt < TRIES:
                raise
            return None, f"the model could not be reached: {error}"
        return answer.opinion, answer.why


def _open_kinds(opinion: Opinion | None) -> list[str]:
    """The kinds that are left to choose from; none: all."""
    return [opinion.kind, *(kind for kind, _ in opinion.alternatives)][:ASKED_ABOUT] if opinion else []


def _decided(base: Decision, opinion: Opinion) -> Decision:
    """The kind is the opinion's; severity and route stay what the rules say of reports that they do not know."""
    given = {
        "kind": Kind(opinion.kind),
        "labels": (),
        "decided_by": opinion.decided_by,
        "confidence": opinion.confidence,
        "reason": f"{opinion.reason} ({opinion.version}, sure to {opinion.confidence:.0%})"[:4_000],
    }
    return base.model_copy(update=given)


def _undecided(base: Decision, opinion: Opinion | None, why: str) -> Decision:
    """What a person needs to decide: the likeliest kinds, and why nobody else did."""
    likely = [(opinion.kind, opinion.confidence), *opinion.alternatives][:ASKED_ABOUT] if opinion else []
    thought = ", ".join(f"{kind} {share:.0%}" for kind, share in likely)
    parts = (base.reason, f"likeliest: {thought}" if thought else "", why)
    return base.model_copy(update={"reason": "; ".join(part for part in parts if part)[:4_000]})
