"""Who decides: rules, then the learned classifier, an equal report, a model, a person. The first that is sure ends it.

Whatever decides, the report is looked up among earlier tickets: what it repeats, or may repeat, stands in the decision.
The kind of an equal text is taken over only where rules and classifier pass: both are free, and may have been mended
since. A tentative rule decides last. A model is asked where the kind is open, and where a similar ticket is worth it;
in both cases about both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from triage import errors
from triage.decide.duplicates import Found
from triage.decide.llm.prompts import Candidate
from triage.decide.opinion import Opinion
from triage.decide.rules import TENTATIVE, UNDECIDED_LABEL, Rules
from triage.model import Claim, Decision, Kind, Prints, Related, Report
from triage.ports import ASK_PATIENCE

TRIES = 3
"""How often a model that cannot be reached is tried for a run before a person decides."""
ASKED_ABOUT = 2
"""Of so many kinds the likeliest ones are put to the model: a choice is cheaper, and right more often."""
UNLIKELY = 0.1
"""What the classifier gave less than this, a model alone does not make the kind."""
CERTAIN = 0.9
"""From here on a model that contradicts a rule leaves the report to a person; the rule's decision stands until then."""
ALARMING = (Kind.SECURITY, Kind.CRASH)
"""Kinds that a hostile text would like to be taken for: where only a model says so, the reason says that."""
NOBODY = "nobody"
RULES = "rules"


class Classifier(Protocol):
    """What was learned from people's decisions."""

    def opinion(self, title: str, body: str) -> Opinion | None:
        """The likeliest kind, however unsure; None while nothing is learned."""
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
    def duplicate(self) -> str | None:
        """The id of the candidate that it takes for the same."""
        ...

    @property
    def why(self) -> str:
        """Why a person has to decide."""
        ...


class Model(Protocol):
    """A language model that costs money."""

    def ask_for(
        self,
        claim: Claim,
        report: Report,
        alternatives: Sequence[str],
        deadline: float,
        candidates: Sequence[Candidate] = (),
    ) -> Answer:
        """Ask before the deadline, in seconds of `clock.now()`, if the budgets have room; raises `ToolError`."""
        ...


class Duplicates(Protocol):
    """What earlier reports with tickets say of one."""

    def find(self, report: Report, run_id: UUID) -> Found:
        """What it repeats, or may repeat; never raises for want of a store."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model's answer, or none."""

    opinion: Opinion | None = None
    duplicate: str | None = None
    why: str = ""


class Cascade:
    """A `ports.Decider`. Only the rules need to be there."""

    def __init__(
        self,
        rules: Rules,
        classifier: Classifier | None = None,
        model: Model | None = None,
        duplicates: Duplicates | None = None,
    ) -> None:
        """Opens nothing."""
        self._rules = rules
        self._classifier = classifier
        self._model = model
        self._duplicates = duplicates

    def decide(self, report: Report, claim: Claim) -> Decision:
        """Decide, or leave it to a person with what was thought so far; see `ports.Decider`."""
        found = self._duplicates.find(report, claim.run_id) if self._duplicates else Found(Prints())
        local, thought = self._decided_here(report, found)
        answer = self._asked(report, claim, local, thought, found)
        decision = _concluded(local, thought, answer)
        return decision.model_copy(update=_repeated(found, answer.duplicate))

    def _decided_here(self, report: Report, found: Found) -> tuple[Decision, Opinion | None]:
        """The decision without a model, by `nobody` if it is open, and what the classifier thought."""
        base = self._rules.decide(report)
        base = base.model_copy(update={"versions": {"rules": self._rules.version}})
        if _is_sure(base):
            return base, None
        thought = self._classifier.opinion(report.title, report.body) if self._classifier else None
        if thought is not None:
            base = base.model_copy(update={"versions": {**base.versions, "classifier": thought.version}})
        if thought and self._classifier and self._classifier.sure(thought):
            return _decided(base, thought), thought
        return (_decided(base, found.kind) if found.kind else base), thought

    def _asked(self, report: Report, claim: Claim, local: Decision, thought: Opinion | None, found: Found) -> _Asked:
        if self._model is None or (_is_sure(local) and not found.worth_asking):
            return _Asked()
        kinds = [] if _is_sure(local) else _open_kinds(thought)
        deadline = claim.started + ASK_PATIENCE.total_seconds()
        try:
            answer = self._model.ask_for(claim, report, kinds, deadline, found.candidates)
        except (errors.ToolError, errors.StoreUnavailable, errors.InvalidSetting) as error:
            return _Asked() if _is_decided(local) else _given_up(error, claim.attempt)
        return _Asked(answer.opinion, answer.duplicate, answer.why)


def _given_up(error: errors.TriageError, attempt: int) -> _Asked:
    """Raises what the engine should try again."""
    if isinstance(error, errors.Refused):  # its credentials, or a model that does not exist: people mend that
        return _Asked(why=f"the model was not asked: {error}")
    if isinstance(error, (errors.NotSent, errors.OutcomeUnknown)) and attempt >= TRIES:
        return _Asked(why=f"the model could not be reached: {error}")
    raise error


def _open_kinds(opinion: Opinion | None) -> list[str]:
    """The kinds that are left to choose from; none: all."""
    return [opinion.kind, *(kind for kind, _ in opinion.alternatives)][:ASKED_ABOUT] if opinion else []


def _is_decided(decision: Decision) -> bool:
    return decision.decided_by != NOBODY


def _is_sure(decision: Decision) -> bool:
    """Whether it needs nobody else: a tentative rule decides only if nobody else does."""
    return _is_decided(decision) and (decision.decided_by != RULES or decision.confidence > TENTATIVE)


def _concluded(local: Decision, thought: Opinion | None, answer: _Asked) -> Decision:
    """What was decided here stands; a model decides what is open, unless all that was learned speaks against it."""
    said = answer.opinion
    if said is None:
        return _told_why(local, answer.why) if _is_decided(local) else _undecided(local, thought, answer.why)
    prompt, _, model = said.version.partition(" ")
    local = local.model_copy(update={"versions": {**local.versions, "prompt": prompt, "model": model}})
    if _is_sure(local):
        return _contradicted(local, said) if said.kind != local.kind else local
    if thought and _share(thought, said.kind) < UNLIKELY:
        return _undecided(local, thought, f"{_told(said)}, which is unlikely by what was learned")
    return _decided(local, said, "" if thought or said.kind not in ALARMING else "only the model says so")


def _told_why(local: Decision, why: str) -> Decision:
    """Why a model that was asked decided nothing, beside what decides instead."""
    return local.model_copy(update={"reason": f"{local.reason}; {why}"[:4_000]}) if why else local


def _share(thought: Opinion, kind: str) -> float:
    return dict([(thought.kind, thought.confidence), *thought.alternatives]).get(kind, 0.0)


def _told(said: Opinion) -> str:
    return f"the model says {said.kind} ({said.confidence:.0%})"


def _contradicted(local: Decision, said: Opinion) -> Decision:
    """It stands in the reason. Against a rule, and certain, it also makes the report one for a person to look at."""
    told: dict[str, object] = {"reason": f"{local.reason}; but {_told(said)}"[:4_000]}
    if local.decided_by == RULES and said.confidence >= CERTAIN:
        told |= {"decided_by": NOBODY, "confidence": 0.0, "labels": (*local.labels, UNDECIDED_LABEL)}
    return local.model_copy(update=told)


def _decided(base: Decision, opinion: Opinion, warning: str = "") -> Decision:
    """The kind is the opinion's; severity and route stay what the rules say of reports that they do not know."""
    reason = f"{opinion.reason} ({opinion.version}, sure to {opinion.confidence:.0%})"
    given = {
        "kind": Kind(opinion.kind),
        "labels": (),
        "decided_by": opinion.decided_by,
        "confidence": opinion.confidence,
        "reason": (f"{reason}; {warning}" if warning else reason)[:4_000],
    }
    return base.model_copy(update=given)


def _undecided(base: Decision, opinion: Opinion | None, why: str) -> Decision:
    """What a person needs to decide: the likeliest kinds, and why nobody else did."""
    likely = [(opinion.kind, opinion.confidence), *opinion.alternatives][:ASKED_ABOUT] if opinion else []
    thought = ", ".join(f"{kind} {share:.0%}" for kind, share in likely)
    parts = (base.reason, f"likeliest: {thought}" if thought else "", why)
    return base.model_copy(update={"reason": "; ".join(part for part in parts if part)[:4_000]})


def _repeated(found: Found, duplicate: str | None) -> dict[str, object]:
    """What a model takes for the same goes first; an id that was not among the candidates is none."""
    asked_about = {one.id for one in found.candidates}
    same = [one for one in found.related if duplicate in asked_about and str(one.run_id) == duplicate]
    first: list[Related] = [one.model_copy(update={"why": "model"}) for one in same]
    related = (*first, *(one for one in found.related if one not in same))
    return {"prints": found.prints, "same_as": found.same_as, "related": related}
