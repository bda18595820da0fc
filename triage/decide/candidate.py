"""A candidate: another way to decide, tried on a share of the runs as a canary, which counts, or as a shadow.

Which runs is a pure function of the candidate's name and the run's key: every attempt of a run, in whatever process,
has the same one. Its questions are its own, also where they are word by word the current one's, so neither is ever told
an answer that was the other's; its money is reserved and settled for the run's claim like any other.

A shadow goes beside the run. After the run's own decision is made, the candidate decides on a thread of its own. The
stage goes on as soon as the candidate has reserved what it may spend (which needs the claim) or has ended, at the
latest after `LEASH`; the answer itself is not waited for. A process that is killed leaves:

1. before the candidate's reservation commits: nothing;
2. after it: a reservation that counts as spent for ever, as that of any lost ask, and no comparison;
3. after its settlement: its cost, and no comparison;
4. after the comparison is saved, before the stage is completed: the next attempt asks again, in its own name, and what
   it says takes the place of the first (by the fence); an answer that was paid for is not paid again.

So a comparison may be missing; a decision never waits for one. At most `AT_ONCE` are under way in a process; further
ones are left out, which the log tells.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import UUID

import structlog

from triage import clock, errors, telemetry
from triage.decide.cascade import Answer, Model
from triage.decide.llm.prompts import Candidate
from triage.model import Claim, Decision, Report, digest
from triage.model.candidate import Comparison, answer, differences
from triage.model.money import Answered, Bill, NoRoom, Question, Reserved
from triage.ports import Decider

if TYPE_CHECKING:
    from triage.decide.llm.paid import Purse

AT_ONCE = 8
"""Shadows that are under way in a process; each keeps a thread and perhaps an ask."""
LEASH = 1.0
"""Seconds that a run waits at most for its shadow to reserve; one statement takes some milliseconds."""
ERROR_CHARS = 1_000
PAUSE = 1.0
"""Seconds until a busy model is asked again that did not say when."""

Way: TypeAlias = "Callable[[Purse], Decider]"
"""A way to decide, with the purse that pays for it."""

log = structlog.get_logger()


class NotAsked(errors.TriageError):
    """A model could not be asked, so nobody knows what would have been decided; the message says why."""


class Keeper(Protocol):
    """Where comparisons are kept."""

    def save(self, comparison: Comparison) -> None:
        """Keep what a candidate said of a run, instead of what it said in an earlier attempt."""
        ...


def picked(name: str, share: float, run_key: bytes) -> bool:
    """Whether a run is among the candidate's share (0 to 1); a larger share keeps those of a smaller one."""
    place = int.from_bytes(digest({"candidate": name, "run": run_key.hex()})[:8])
    return place < share * 2**64


class Strict:
    """A `cascade.Model` for who wants to know what it says, and not what a run would do without its answer."""

    def __init__(self, model: Model, tries: int = 1) -> None:
        """One that is busy is asked again so often at most, when it says, in the time that there is."""
        self._model = model
        self._tries = tries

    def ask_for(
        self,
        claim: Claim,
        report: Report,
        alternatives: Sequence[str],
        deadline: float,
        candidates: Sequence[Candidate] = (),
    ) -> Answer:
        """As the model.

        Raises:
            NotAsked: this time it could not be asked.
            InvalidSetting: it cannot be asked with these settings.
        """
        for left in range(self._tries - 1, -1, -1):
            try:
                return self._model.ask_for(claim, report, alternatives, deadline, candidates)
            except errors.Refused as error:
                raise errors.InvalidSetting(str(error)) from error
            except errors.ToolError as error:
                _wait_or_raise(error, left, deadline)
        raise AssertionError("the last try ends it")


class Own:
    """A purse that asks in a candidate's name: its questions are never taken for the current one's."""

    def __init__(self, purse: "Purse", name: str) -> None:
        """`name` is the candidate's."""
        self._purse = purse
        self._name = name

    def reserve(self, question: Question) -> Reserved | NoRoom | Answered:
        """Take the money for a question of its own; spending by prompt tells it apart."""
        meant = {"candidate": self._name, "model": question.model, "question": question.digest.hex()}
        own = replace(question, digest=digest(meant), prompt=f"{question.prompt} for {self._name}")
        return self._purse.reserve(own)

    def settle(self, reservation_id: UUID, bill: Bill, answer: Mapping[str, Any] | None = None) -> None:
        """Pay."""
        self._purse.settle(reservation_id, bill, answer)


class Tally:
    """A purse for one decision: it knows what that cost so far (micro-USD), and gives no decision without money."""

    def __init__(self, purse: "Purse", told: Callable[[], None] = lambda: None) -> None:
        """`told` is called once it is clear whether there is money."""
        self._purse = purse
        self._told = told
        self._open: dict[UUID, int] = {}
        self._settled = 0

    @property
    def cost(self) -> int:
        """With what was reserved and not settled."""
        return self._settled + sum(self._open.values())

    def reserve(self, question: Question) -> Reserved | NoRoom | Answered:
        """As the purse, but no room is an error: a decision for want of money says nothing of the candidate.

        Raises:
            NotAsked: there is no room.
        """
        try:
            taken = self._purse.reserve(question)
        finally:
            self._told()
        if isinstance(taken, NoRoom):
            raise NotAsked(f"there is no room for it in its part of the budgets: {taken.scope}")
        if isinstance(taken, Reserved):
            self._open[taken.reservation_id] = question.worst
        return taken

    def settle(self, reservation_id: UUID, bill: Bill, answer: Mapping[str, Any] | None = None) -> None:
        """Pay."""
        self._open.pop(reservation_id, None)
        self._settled += bill.spent
        self._purse.settle(reservation_id, bill, answer)


class Canary:
    """A `ports.Decider`: a share of the runs is decided by the candidate, and says so."""

    def __init__(self, current: Decider, candidate: Decider, name: str, share: float) -> None:
        """`candidate` should pay from a purse of its own (`Own`)."""
        self._current = current
        self._candidate = candidate
        self._name = name
        self._share = share

    def decide(self, report: Report, claim: Claim) -> Decision:
        """By whom the run's key says; what the candidate raises is treated as what the current one raises."""
        if not picked(self._name, self._share, claim.run_key):
            return self._current.decide(report, claim)
        decision = self._candidate.decide(report, claim)
        return decision.model_copy(update={"versions": {**decision.versions, "candidate": self._name}})


class Shadow:
    """A `ports.Decider`: the current one decides, and of a share of the runs it is kept what the candidate says.

    `lost` counts the runs that were not compared because `AT_ONCE` others were under way.
    """

    def __init__(
        self, current: Decider, candidate: Way, name: str, share: float, purse: "Purse", keeper: Keeper
    ) -> None:
        """`purse` should have limits that leave room for the current one."""
        self._current = current
        self._candidate = candidate
        self._name = name
        self._share = share
        self._purse = Own(purse, name)
        self._keeper = keeper
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self.lost = 0

    def decide(self, report: Report, claim: Claim) -> Decision:
        """What the current one decides; whatever becomes of the candidate."""
        decision = self._current.decide(report, claim)
        if picked(self._name, self._share, claim.run_key):
            self._watch(report, claim, decision)
        return decision

    def _watch(self, report: Report, claim: Claim, decision: Decision) -> None:
        if not self._room.acquire(blocking=False):
            self.lost += 1
            log.warning(telemetry.CANDIDATE_LOST, candidate=self._name, lost=self.lost)
            return
        told = threading.Event()
        follow = threading.Thread(
            target=self._follow, args=(report, claim, decision, told), name="candidate", daemon=True
        )
        try:
            follow.start()
        except RuntimeError as error:  # the system has no thread left
            self._room.release()
            log.warning(telemetry.CANDIDATE_FAILED, candidate=self._name, why=str(error))
            return
        told.wait(LEASH)

    def _follow(self, report: Report, claim: Claim, decision: Decision, told: threading.Event) -> None:
        try:
            comparison = self._compared(report, claim, decision, told)
            told.set()
            self._keeper.save(comparison)
        except Exception:  # also a bug in the candidate must not end its trial
            log.exception(telemetry.CANDIDATE_FAILED, candidate=self._name, run_id=str(claim.run_id))
        finally:
            told.set()
            self._room.release()

    def _compared(self, report: Report, claim: Claim, decision: Decision, told: threading.Event) -> Comparison:
        purse, began = Tally(self._purse, told.set), clock.now()
        theirs, error = None, ""
        try:
            theirs = self._candidate(purse).decide(report, claim)
        except Exception as problem:  # noqa: BLE001 - it is kept, as what the candidate came to
            error = _told(problem)
        return Comparison(
            run_id=claim.run_id,
            candidate=self._name,
            fence=claim.fence,
            was=answer(decision),
            decision=theirs,
            agreed=None if theirs is None else not differences(decision, theirs),
            cost=purse.cost,
            seconds=clock.now() - began,
            error=error,
        )


def _wait_or_raise(error: errors.ToolError, left: int, deadline: float) -> None:
    """Wait as long as a busy model asked for, if there is another try and time for it."""
    asked_for = error.retry_after if isinstance(error, errors.NotSent) else None
    wait = asked_for.total_seconds() if asked_for else PAUSE
    if not isinstance(error, errors.NotSent) or not left or clock.now() + wait >= deadline:
        raise NotAsked(str(error)) from error
    time.sleep(wait)


def _told(problem: Exception) -> str:
    """The error in words that can be stored."""
    text = str(problem) if isinstance(problem, errors.TriageError) else f"{type(problem).__name__}: {problem}"
    return text.replace("\x00", " ").encode(errors="replace").decode()[:ERROR_CHARS] or type(problem).__name__
