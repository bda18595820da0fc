"""Another way to decide beside the one that counts: what it said, and where the two differ."""

from dataclasses import dataclass
from uuid import UUID

from triage.model.report import Decision

NOBODY = "nobody"
COMPARED = ("severity", "component", "route")
"""What is compared beside the kind."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a candidate would have decided for a run, beside what was decided: `was`, in one word (see `answer`).

    `decision` is None where the candidate had none, and `error` then says why. `fence` is that of the attempt that
    asked it; `cost` is in micro-USD, with what was reserved and never settled; `seconds` is how long it took.
    """

    run_id: UUID
    candidate: str
    fence: int
    was: str
    decision: Decision | None
    agreed: bool | None
    cost: int
    seconds: float
    error: str = ""


def answer(decision: Decision) -> str:
    """The kind, or `nobody` where it was left to a person: two who leave it to a person agree on that."""
    return NOBODY if decision.decided_by == NOBODY else decision.kind.value


def differences(was: Decision, now: Decision) -> dict[str, tuple[str, str]]:
    """By field, what it was and what it is now; empty if both say the same kind, severity, component and route."""
    pairs = {"kind": (answer(was), answer(now))}
    pairs |= {field: (str(getattr(was, field)), str(getattr(now, field))) for field in COMPARED}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def said(decision: Decision, field: str) -> str:
    """What a decision says of a field, in the words of a correction; of the kind `nobody` where it was left open."""
    return answer(decision) if field == "kind" else str(getattr(decision, field))


def right(decision: Decision, corrected: dict[str, str]) -> bool:
    """Whether it says what people said, in every field that they corrected."""
    return all(said(decision, field) == value for field, value in corrected.items())
