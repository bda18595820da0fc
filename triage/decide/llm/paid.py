"""Asking with money: reserved before, settled after, and never twice for one question of a run."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from triage import clock, errors
from triage.decide.llm import spans
from triage.decide.llm.ask import Asked, Asker, Inquiry
from triage.decide.llm.prompts import Candidate
from triage.decide.opinion import Opinion
from triage.model import Claim, Json, Report
from triage.model.money import Answered, Bill, NoRoom, Question, Reserved, Scope

SLACK = timedelta(minutes=1)
"""How long after its deadline an ask that was not settled is held for lost."""


class Purse(Protocol):
    """Where the money is; see `store.money`."""

    def reserve(self, question: Question) -> Reserved | NoRoom | Answered:
        """Take the most that this can cost out of all budgets."""
        ...

    def settle(self, reservation_id: UUID, bill: Bill, answer: Mapping[str, Any] | None = None) -> None:
        """Replace what was reserved by what it cost, and keep the answer."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """For which attempt of which run is asked: what its claim says."""

    run_id: UUID
    claim_id: UUID
    fence: int


class PaidAsker:
    """An `Asker` that can pass no budget."""

    def __init__(self, asker: Asker, purse: Purse) -> None:
        """Opens nothing."""
        self._asker = asker
        self._purse = purse

    def ask(
        self,
        attempt: Attempt,
        report: Report,
        alternatives: Sequence[str] = (),
        candidates: Sequence[Candidate] = (),
        *,
        deadline: float,
    ) -> Asked:
        """Ask before the deadline (seconds of `clock.now()`), if there is money for it.

        Where a process may die in here, and what the next one finds, is told in `store.money`. No connection to the
        database is held while the model thinks. Raises as `Asker.ask_about`, and:

        Raises:
            InvalidSetting: no model can be asked with these settings; nothing was reserved.
            ProcessExpired: the run is another worker's by now.
            StoreUnavailable: it could not be reserved, so nothing was asked.
        """
        self._asker.check()
        inquiry = self._asker.inquire(report, alternatives, candidates)
        question = self._question(attempt, inquiry, deadline)
        if candidates:  # more tickets by the next attempt do not make it another question, to be paid again
            question = replace(question, digest=self._asker.inquire(report, alternatives).digest)
        taken = self._purse.reserve(question)
        if isinstance(taken, Answered):
            return _remembered(taken.answer)
        if isinstance(taken, NoRoom):
            return Asked(None, Bill("none", 0), why=f"no model was asked: {_no_room(taken.scope, report)}")
        return self._spend(taken.reservation_id, inquiry, deadline)

    def check(self) -> str:
        """Which model is asked; raises InvalidSetting if it cannot be, such as when nobody knows what it costs."""
        self._asker.check()
        self._asker.check_places()
        return self._asker.first

    def ask_for(
        self,
        claim: Claim,
        report: Report,
        alternatives: Sequence[str],
        deadline: float,
        candidates: Sequence[Candidate] = (),
    ) -> Asked:
        """As `ask`, for the attempt that a claim is."""
        attempt = Attempt(claim.run_id, claim.claim_id, claim.fence)
        return self.ask(attempt, report, alternatives, candidates, deadline=deadline)

    def _question(self, attempt: Attempt, inquiry: Inquiry, deadline: float) -> Question:
        return Question(
            run_id=attempt.run_id,
            claim_id=attempt.claim_id,
            fence=attempt.fence,
            digest=inquiry.digest,
            model=self._asker.first,
            prompt=inquiry.prompt.version,
            worst=self._asker.worst(inquiry),
            lifetime=timedelta(seconds=max(deadline - clock.now(), 0)) + SLACK,
        )

    def _spend(self, reservation_id: UUID, inquiry: Inquiry, deadline: float) -> Asked:
        """What breaks off in any other way, as with the process, leaves the reservation as it is: in full."""
        count = self._asker.meter(inquiry)
        try:
            with spans.chat(self._asker.first):
                asked = self._asker.ask_about(inquiry, deadline, count)
                spans.billed(asked.bill)
        except errors.ToolError:
            self._settle(reservation_id, count.bill, None)
            raise
        self._settle(reservation_id, asked.bill, _kept(asked))
        return asked

    def _settle(self, reservation_id: UUID, bill: Bill, answer: Json | None) -> None:
        with contextlib.suppress(errors.StoreUnavailable):  # then it stays reserved, which is dearer and never cheaper
            self._purse.settle(reservation_id, bill, answer)


def _no_room(scope: Scope, report: Report) -> str:
    whose = "this reporter's reports" if report.reporter.strip() else "this source's reports that name no reporter"
    if scope == "asks":
        return f"{whose} had all their asks of an hour"
    return f"the budget of {whose if scope == 'reporter' else f'the {scope}'} has no room"


def _kept(asked: Asked) -> Json:
    opinion = asdict(asked.opinion) if asked.opinion else None
    return {"opinion": opinion, "duplicate": asked.duplicate, "why": asked.why}


def _remembered(kept: Json) -> Asked:
    """What an earlier attempt was told; this one pays nothing."""
    opinion = kept["opinion"]
    if opinion is not None:
        alternatives = tuple((kind, share) for kind, share in opinion["alternatives"])
        opinion = Opinion(**{**opinion, "alternatives": alternatives})
    return Asked(opinion, Bill("none", 0), kept["duplicate"], kept["why"])
