"""Candidates: whom they decide, that a shadow changes nothing, and that their questions are their own."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from triage import clock, errors, telemetry
from triage.decide import candidate
from triage.decide.candidate import Canary, NotAsked, Own, Shadow, Strict, Tally, picked
from triage.decide.cascade import Cascade
from triage.decide.rules import Rules
from triage.model import Claim, Decision, Kind, Report, Severity, Stage
from triage.model.candidate import Comparison, answer, differences, right
from triage.model.money import Answered, Bill, Limits, NoRoom, Question, Reserved
from triage.ways import halved

VAGUE = Report(source="demo", source_id="2", title="About the thing", body="It is as it is.")


def decision(kind: Kind = Kind.BUG, *, by: str = "rules", severity: Severity = Severity.LOW) -> Decision:
    """Some decision."""
    return Decision(kind=kind, severity=severity, title="t", route="team", decided_by=by, reason="because")


def claim(number: int = 1) -> Claim:
    """The right to decide about a run."""
    key = Report(source="demo", source_id=f"r-{number}", title="t").key
    fields = VAGUE.model_dump(mode="json")
    return Claim(uuid4(), key, Stage.TRIAGE, 7, uuid4(), 1, 0, clock.now(), fields)


@dataclass
class Says:
    """A decider that says the same of everything, or raises it."""

    what: Decision | Exception

    def decide(self, report: Report, claim: Claim) -> Decision:
        """Say it."""
        assert report.title and claim.report
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@dataclass
class Memory:
    """A purse and a keeper that remember everything; `answers` is what reserving comes to."""

    answers: Reserved | NoRoom | Answered | Exception = field(default_factory=lambda: Reserved(uuid4()))
    asked: list[Question] = field(default_factory=list)
    settled: list[Bill] = field(default_factory=list)
    kept: list[Comparison] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    def reserve(self, question: Question) -> Reserved | NoRoom | Answered:
        """As `answers` says."""
        self.asked.append(question)
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    def settle(self, reservation_id: UUID, bill: Bill, answer: object = None) -> None:  # noqa: ARG002 - a purse's
        """Remember the bill."""
        self.settled.append(bill)

    def save(self, comparison: Comparison) -> None:
        """Remember the comparison."""
        self.kept.append(comparison)
        self.came.set()

    @property
    def comparison(self) -> Comparison:
        """The one comparison, once it is there."""
        assert self.came.wait(5)
        (only,) = self.kept
        return only


def question(**changes: object) -> Question:
    """Some question."""
    fields = {"run_id": uuid4(), "claim_id": uuid4(), "fence": 1, "digest": b"d" * 32, "model": "m", "prompt": "p@1"}
    return Question(**{**fields, "worst": 100, **changes})  # type: ignore[arg-type]


def shadow(current: Says, theirs: Callable[..., object], memory: Memory, share: float = 1.0) -> Shadow:
    """A shadow beside a decider."""
    return Shadow(current, theirs, "nano", share, memory, memory)  # type: ignore[arg-type]


def test_a_share_of_the_runs_is_picked_by_their_keys() -> None:
    """About the share is picked, always the same runs; a larger share keeps them, another name has others."""
    keys = [claim(number).run_key for number in range(2_000)]
    tenth, third = ({key for key in keys if picked("nano", share, key)} for share in (0.1, 0.3))
    assert 150 < len(tenth) < 250 and 520 < len(third) < 680
    assert tenth < third
    assert {key for key in keys if picked("nano", 0.1, key)} == tenth
    assert len(tenth & {key for key in keys if picked("other", 0.1, key)}) < 60
    assert not any(picked("nano", 0.0, key) for key in keys) and all(picked("nano", 1.0, key) for key in keys)


def test_a_canary_decides_its_runs_and_says_so() -> None:
    """Each run has one decider, the same in every attempt, and the candidate's name stands in its decisions only."""
    canary = Canary(Says(decision(Kind.BUG)), Says(decision(Kind.FEATURE)), "nano", 0.5)
    claims = [claim(number) for number in range(200)]
    for _ in range(2):
        for one in claims:
            found = canary.decide(VAGUE, one)
            chosen = picked("nano", 0.5, one.run_key)
            assert (found.kind is Kind.FEATURE, "candidate" in found.versions) == (chosen, chosen)
    with pytest.raises(errors.NotSent):
        Canary(Says(decision()), Says(errors.NotSent("429")), "nano", 1.0).decide(VAGUE, claim())


def test_what_a_shadow_says_is_kept_beside_what_was_decided() -> None:
    """The run's decision is the current one's; agreement is about kind, severity, component and route."""
    memory, ours = Memory(), claim()
    assert shadow(Says(decision()), lambda _: Says(decision(Kind.FEATURE)), memory).decide(VAGUE, ours) == decision()
    found = memory.comparison
    assert (found.run_id, found.fence, found.candidate) == (ours.run_id, 7, "nano")
    assert (found.was, found.decision, found.agreed) == ("bug", decision(Kind.FEATURE), False)
    assert (found.cost, found.error) == (0, "")
    same = Memory()
    shadow(Says(decision()), lambda _: Says(decision(by="llm")), same).decide(VAGUE, ours)
    assert same.comparison.agreed is True


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NotAsked("busy"), "busy"),
        (errors.StoreUnavailable("away"), "away"),
        (ValueError("a \x00 bug"), "ValueError: a   bug"),
        (KeyError(), "KeyError: "),
        (errors.ProcessExpired(), "ProcessExpired"),
    ],
    ids=repr,
)
def test_a_shadow_that_raises_is_only_kept_as_failed(error: Exception, told: str) -> None:
    """Whatever it raises, while it is built as well, the decision stands, and the error is kept in storable words."""
    for way in (lambda _: Says(error), lambda _: Says(error).decide(VAGUE, claim())):
        memory = Memory()
        assert shadow(Says(decision()), way, memory).decide(VAGUE, claim()) == decision()
        assert (memory.comparison.error, memory.comparison.decision, memory.comparison.agreed) == (told, None, None)


def test_nothing_is_compared_of_a_run_that_is_not_decided() -> None:
    """What the current one raises is raised, and the candidate is not asked; nor of runs outside of the share."""
    memory = Memory()
    with pytest.raises(errors.NotSent):
        shadow(Says(errors.NotSent("429")), lambda _: Says(decision()), memory).decide(VAGUE, claim())
    shadow(Says(decision()), lambda _: Says(decision()), memory, share=0.0).decide(VAGUE, claim())
    time.sleep(0.05)
    assert memory.kept == []


def test_a_shadow_that_hangs_delays_by_its_leash_and_then_is_left_out() -> None:
    """While some hang, runs wait for the leash at most, then not at all, and the log tells how many were left out."""
    let_go, memory = threading.Event(), Memory()

    @dataclass
    class Hangs:
        def decide(self, report: Report, claim: Claim) -> Decision:  # noqa: ARG002 - the port's signature
            let_go.wait(20)
            return decision()

    with capture_logs() as logged:
        beside = shadow(Says(decision()), lambda _: Hangs(), memory)
        began = clock.now()
        threads = [threading.Thread(target=beside.decide, args=(VAGUE, claim(n))) for n in range(candidate.AT_ONCE)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert clock.now() - began < candidate.LEASH + 1.0
        began = clock.now()
        assert beside.decide(VAGUE, claim()) == decision()
        assert clock.now() - began < candidate.LEASH / 2
    assert (beside.lost, [one["event"] for one in logged]) == (1, [telemetry.CANDIDATE_LOST])
    let_go.set()


def test_a_run_goes_on_once_its_shadow_has_reserved() -> None:
    """The answer itself is not waited for."""
    let_go, memory = threading.Event(), Memory()

    def way(purse: Tally) -> object:
        purse.reserve(question(worst=70))
        let_go.wait(10)
        return Says(decision())

    began = clock.now()
    shadow(Says(decision()), way, memory).decide(VAGUE, claim())
    assert clock.now() - began < candidate.LEASH / 2 and memory.kept == []
    let_go.set()
    assert memory.comparison.cost == 70


def test_a_comparison_that_cannot_be_kept_is_logged() -> None:
    """A store that is away ends neither the run nor the candidate's trial."""

    class Full(Memory):
        def save(self, comparison: Comparison) -> None:  # noqa: ARG002 - a keeper's
            self.came.set()
            raise errors.StoreUnavailable("away")

    memory = Full()
    with capture_logs() as logged:
        beside = shadow(Says(decision()), lambda _: Says(decision()), memory)
        assert beside.decide(VAGUE, claim()) == decision()
        assert memory.came.wait(5)
        end = time.monotonic() + 5
        while not logged and time.monotonic() < end:
            time.sleep(0.01)
    assert [one["event"] for one in logged] == [telemetry.CANDIDATE_FAILED]


def test_a_candidates_questions_are_its_own() -> None:
    """The same words asked in a candidate's name are another question, told apart by prompt, also of another model."""
    memory, asked = Memory(), question()
    Own(memory, "nano").reserve(asked)
    Own(memory, "nano").reserve(question(model="other"))
    Own(memory, "other").reserve(asked)
    assert len({asked.digest, *(one.digest for one in memory.asked)}) == 4
    assert [one.prompt for one in memory.asked] == ["p@1 for nano", "p@1 for nano", "p@1 for other"]
    assert {len(one.digest) for one in memory.asked} == {32}


def test_a_tally_counts_what_is_open_at_its_worst_and_what_is_settled_as_billed() -> None:
    """The cost of a decision has all its asks; without room there is none, and who waits is told in each case."""
    told: list[int] = []
    memory = Memory()
    tally = Tally(memory, lambda: told.append(1))
    taken = tally.reserve(question(worst=100))
    assert isinstance(taken, Reserved) and tally.cost == 100
    tally.settle(taken.reservation_id, Bill("m", 30))
    assert (tally.cost, memory.settled) == (30, [Bill("m", 30)])
    with pytest.raises(NotAsked, match="day"):
        Tally(Memory(NoRoom("day")), lambda: told.append(1)).reserve(question())
    with pytest.raises(errors.ProcessExpired):
        Tally(Memory(errors.ProcessExpired()), lambda: told.append(1)).reserve(question())
    assert len(told) == 3


@dataclass
class Busy:
    """A model that raises these in turn, then has no opinion."""

    raises: list[Exception]

    def ask_for(self, *_: object) -> "Busy":
        """One try."""
        if self.raises:
            raise self.raises.pop(0)
        return self

    opinion = duplicate = None
    why = "I do not know"


def test_a_model_that_cannot_be_asked_gives_no_decision_instead_of_a_persons() -> None:
    """Busy is tried again as often as is allowed; lost is lost; wrong credentials end the trial."""
    busy = errors.NotSent("429")
    for raised, tries, expected in (
        ([busy], 1, NotAsked),
        ([errors.OutcomeUnknown("lost")], 3, NotAsked),
        ([errors.Refused("401")], 3, errors.InvalidSetting),
    ):
        with pytest.raises(expected):
            Cascade(Rules.load(), None, Strict(Busy(raised), tries)).decide(VAGUE, claim())  # type: ignore[arg-type]
    cascade = Cascade(Rules.load(), None, Strict(Busy([busy]), 2))
    assert "I do not know" in cascade.decide(VAGUE, claim()).reason


def test_two_who_leave_it_to_a_person_agree() -> None:
    """The kind of a decision by nobody says nothing, and a correction makes it wrong."""
    open_bug, open_crash = decision(by="nobody"), decision(Kind.CRASH, by="nobody")
    assert differences(open_bug, open_crash) == {}
    assert (answer(open_bug), answer(decision())) == ("nobody", "bug")
    assert differences(open_bug, decision(severity=Severity.HIGH)) == {
        "kind": ("nobody", "bug"),
        "severity": ("low", "high"),
    }
    assert right(decision(), {"kind": "bug", "severity": "low"}) and not right(open_bug, {"kind": "bug"})


def test_a_shadow_may_take_half_of_each_budget() -> None:
    """What is not limited stays so, and an odd limit is rounded down."""
    assert halved(Limits(run=201, day=None, asks=1)) == Limits(run=100, day=None, asks=0)
