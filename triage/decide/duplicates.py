"""Earlier tickets that a report repeats, or may repeat. Nothing is ever closed for it.

An equal text or stack trace is found by its fingerprint and is the same; what is only alike is shown to people, since
no likeness says that two reports mean the same. Looking never fails: where the store does not answer, which the commit
of the decision would meet just as well, the decision is made without.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Protocol
from uuid import UUID

import structlog
from pydantic import Field

from triage import clock, errors, telemetry
from triage.decide.llm.prompts import CANDIDATE_CHARS, MOST_CANDIDATES, Candidate
from triage.decide.opinion import Opinion
from triage.decide.repeats import fingerprints, is_telling
from triage.model import Kind, Prints, Record, Related, Report
from triage.model.earlier import Earlier

STEP = "repeat"
"""As whom the kind is signed that a report takes over from an earlier one with the same text."""
REST = 5.0
"""Seconds for which it is not asked again after it did not answer."""
SPARE = 3
"""So many more are looked for, since some of them may be other runs of the same report."""
LEAST_SHOWN = 0.2
"""Below, people are not shown it. Among 1,076 real reports of one project four in five of the marked duplicates reach
this likeness, and seven in ten of all reports with their likest earlier one: it only keeps out noise."""
LEAST_ASKED = 0.4
"""From here on to `MOST_ASKED` a model is asked although the kind is clear: there, about one report in five, and one in
four of the marked duplicates. Whoever wants four in five of these has to ask about seven in ten of all reports."""
MOST_ASKED = 0.95
"""Beyond, only words differ that mean nothing, or a number: people see it at once, and a model would have to guess."""

log = structlog.get_logger()


class DuplicateSettings(Record):
    """What becomes of a report that equals an earlier one with a ticket, and how many similar tickets are shown."""

    identical: Literal["show", "comment", "ignore"] = Field(
        default="show", description="show it on the ticket, or comment there instead of filing a second one"
    )
    similar: Annotated[int, Field(ge=0, le=5, description="how many similar tickets are shown")] = 3
    recent: timedelta = Field(default=timedelta(days=365), description="how old similar tickets may be")


@dataclass(frozen=True, slots=True)
class Found:
    """What a report may repeat.

    `same_as` is whose ticket gets a comment instead, by the settings; `related` are shown; `candidates` are those of
    them that a model may be asked about; `worth_asking` says that they are worth an ask of their own. `kind` is that of
    the earlier report with the same text.
    """

    prints: Prints
    same_as: Related | None = None
    related: tuple[Related, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    worth_asking: bool = False
    kind: Opinion | None = None


class Store(Protocol):
    """Where tickets are looked up; see `store.tickets`."""

    def earlier(self, run_id: UUID, prints: Prints, similar: dict[UUID, float]) -> list[Earlier]:
        """Those with an equal print, and those of the runs in `similar`; raises `StoreUnavailable`."""
        ...


class Similar(Protocol):
    """Which earlier reports are alike; see `recent`."""

    def search(self, report: Report, run_id: UUID, k: int) -> dict[UUID, float]:
        """The `k` likest before this run, with their likeness."""
        ...

    def close(self) -> None:
        """Read nothing more."""
        ...


class Duplicates:
    """For all threads of a process; opens nothing before the first report."""

    def __init__(self, settings: DuplicateSettings, store: Store, similar: Similar) -> None:
        """`similar` may find nothing, as where numpy is not installed."""
        self._settings = settings
        self._similar = similar
        self._store = Resting(store)

    def find(self, report: Report, run_id: UUID) -> Found:
        """What an earlier report's ticket has to do with this one. Never raises for want of a store.

        A text of few words is equal or like to too many others: it has no fingerprint and is like nothing.
        """
        prints = prints_of(report)
        wanted = Prints() if self._settings.identical == "ignore" else prints
        alike = self._alike(report, run_id) if prints.text else {}
        if wanted == Prints() and not alike:
            return Found(prints)
        return self._found(prints, self._store.ask(run_id, wanted, alike))

    def close(self) -> None:
        """Begin nothing more in the background."""
        self._similar.close()

    def _alike(self, report: Report, run_id: UUID) -> dict[UUID, float]:
        if not self._settings.similar:
            return {}
        found = self._similar.search(report, run_id, self._settings.similar + SPARE)
        return {its: likeness for its, likeness in found.items() if likeness >= LEAST_SHOWN}

    def _found(self, prints: Prints, earlier: list[Earlier]) -> Found:
        if earlier and earlier[0].ticket.why != "similar":
            same = earlier[0]
            same_as = same.ticket if self._settings.identical == "comment" else None
            return Found(prints, same_as, (same.ticket,), kind=_taken_over(same))
        shown = earlier[: self._settings.similar]
        uncertain = [one for one in shown if one.ticket.likeness <= MOST_ASKED]
        return Found(
            prints,
            related=tuple(one.ticket for one in shown),
            candidates=tuple(_candidate(one) for one in uncertain[:MOST_CANDIDATES]),
            worth_asking=any(one.ticket.likeness >= LEAST_ASKED for one in uncertain),
        )


class Resting:
    """Asks the store; after it did not answer, it is left alone for a while."""

    def __init__(self, store: Store) -> None:
        """Asks nothing yet."""
        self._store = store
        self._rests_until = float("-inf")

    def ask(self, run_id: UUID, prints: Prints, similar: dict[UUID, float]) -> list[Earlier]:
        """What was found; nothing if it could not be found out now."""
        if clock.now() < self._rests_until:
            return []
        try:
            return self._store.earlier(run_id, prints, similar)
        except errors.StoreUnavailable as error:
            self._rests_until = clock.now() + REST
            log.warning(telemetry.SIMILAR_FAILED, why=str(error))
            return []


def prints_of(report: Report) -> Prints:
    """The fingerprints that a decision keeps: none of a text that says too little to tell two reports apart."""
    found = fingerprints(report)
    text = found.text.hex() if is_telling(report.title, report.body) else ""
    return Prints(text=text, trace=found.trace.hex() if found.trace else "")


def _candidate(one: Earlier) -> Candidate:
    return Candidate(str(one.ticket.run_id), one.ticket.title, one.body[:CANDIDATE_CHARS])


def _taken_over(same: Earlier) -> Opinion | None:
    """Only of an equal text: one failure may be a crash to one reporter and a question to another."""
    if same.ticket.why != "text" or same.decided_by == "nobody" or same.kind not in set(Kind):
        return None
    reason = f"the text is that of an earlier report, which was decided by {same.decided_by}"
    return Opinion(same.kind, same.confidence, (), STEP, f"run {same.ticket.run_id}", reason)
