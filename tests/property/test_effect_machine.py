"""Any order of messages, deaths, freezes and faults: what is promised of an effect holds after every step."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.support import databases
from tests.support.databases import value, wait_until_processes_can_die
from tests.support.scripted import Answer, PlainDecider, ScriptedTool, let_pass
from tests.support.site import report
from triage import local, pipeline
from triage.engine import Engine
from triage.errors import NotAllowed
from triage.model import (
    Checkpoint,
    Claim,
    Completed,
    Finished,
    NoClaim,
    Outlet,
    Outlets,
    Settlement,
    Stage,
    Status,
    ToolClass,
)
from triage.ports import Lease
from triage.retry import Policy
from triage.store.database import Database
from triage.store.lease import ProcessLease
from triage.store.operations import Operations
from triage.store.postgres import PROCESS_TTL, PostgresStore
from triage.store.relay import RelayStore

PATIENT = Policy(attempts=10_000, losses=10_000)
PROCESSES = ["a", "b", "c"]
STAGES = {
    "tickets": Stage.CREATE_TICKET,
    "notices": Stage.NOTIFY,
    "more notices": Stage.NOTIFY,
    "events": Stage.FOLLOW_UP,
}
OUTLETS = Outlets(
    Outlet("tickets", "p"),
    (Outlet("notices"), Outlet("more notices")),
    {"calendar.block": Outlet("events")},
    always=("calendar.block",),
)
ONCE = [kind for kind in ToolClass if kind is not ToolClass.REPEATED]
"""The classes that promise exactly one."""
EXAMPLES = 40
STEPS = 12
DEAD = PROCESS_TTL.total_seconds() + 0.1
some_process = st.sampled_from(PROCESSES)
answers = st.sampled_from(Answer)
mostly = st.sampled_from([True, True, False])
rarely = st.sampled_from([False, False, False, True])
freezes = st.sampled_from([None, None, None, "work", "save", "next"])


class Frozen(BaseException):
    """The process stops here, perhaps for ever. Not an Exception: nothing in the engine sees it."""


@dataclass
class Thread:
    """Where a process stopped: before its work, or before it saves what came of it."""

    process: str
    claim: Claim
    result: Finished | Settlement | None = None


@dataclass(frozen=True)
class Message:
    """A message: who takes it, how the calls go, where the process freezes, whether it overtakes frozen ones.

    `carries_on` says whether the commit of a stage also claims the next one.
    """

    process: str
    answer: Answer
    lookup_fails: bool
    freeze_at: str | None
    overtakes: bool
    carries_on: bool


class FreezingStore:
    """The real store, but the process may freeze after a claim, or before it saves."""

    def __init__(self, store: PostgresStore) -> None:
        """Nothing freezes unless `freeze_at` says so."""
        self.real = store
        self.freeze_at: str | None = None
        self.frozen: tuple[Claim, Finished | Settlement | None] | None = None

    def claim(self, run_id: UUID, stage: Stage, lease: Lease) -> Claim | NoClaim:
        """Claim for real."""
        claim = self.real.claim(run_id, stage, lease)
        if isinstance(claim, Claim) and self.freeze_at == "work":
            self._freeze(claim, None)
        return claim

    def complete(self, claim: Claim, finished: Finished, lease: Lease, *, carry_on: bool) -> Completed:
        """Save for real, unless frozen before; perhaps freeze with the next stage's claim in hand."""
        if self.freeze_at == "save":
            self._freeze(claim, finished)
        completed = self.real.complete(claim, finished, lease, carry_on=carry_on)
        if completed.next_claim and self.freeze_at == "next":
            self._freeze(completed.next_claim, None)
        return completed

    def settle(self, claim: Claim, settlement: Settlement, lease: Lease) -> bool:
        """Save for real, unless frozen before."""
        if self.freeze_at == "save":
            self._freeze(claim, settlement)
        return self.real.settle(claim, settlement, lease)

    def _freeze(self, claim: Claim, result: Finished | Settlement | None) -> None:
        self.frozen = claim, result
        raise Frozen

    submit_many: Any = None


class EffectMachine(RuleBasedStateMachine):
    """One run, three processes, and a tracker, two notifiers and a calendar of one class."""

    kind: ToolClass
    database: Database

    def __init__(self) -> None:
        """Submit the run."""
        super().__init__()
        databases.query(self.database, "delete from process")
        real = PostgresStore(self.database)
        self.run_id = real.submit_many([report()], None)[0].run_id
        self.store = FreezingStore(real)
        self.tools = {name: ScriptedTool(name, self.kind) for name in STAGES}
        self.engine = Engine(self.store, PlainDecider(), self.tools, OUTLETS, policy=PATIENT)
        self.leases = {name: ProcessLease(self.database, name, list(Stage)) for name in PROCESSES}
        self.threads: list[Thread] = []
        self.carries_on = False
        for lease in self.leases.values():
            lease.renew()
        self.work("a", Stage.TRIAGE, None)

    @rule(
        messages=st.lists(
            st.builds(Message, some_process, answers, rarely, freezes, mostly, st.booleans()), min_size=1, max_size=6
        )
    )
    def deliver(self, messages: list[Message]) -> None:
        """The messages of the next stages come as soon as the run is due, or as its worker is held for dead."""
        self.take(messages)

    def take(self, messages: list[Message]) -> None:
        """Let messages come one after the other."""
        for message in messages:
            self.advance(max(DEAD if self.threads and message.overtakes else 0.0, self.seconds_until("due")))
            self.leases[message.process].renew()
            for tool in self.tools.values():
                tool.answer, tool.lookup_fails = message.answer, message.lookup_fails
            self.carries_on = message.carries_on
            self.work(message.process, self.next_stage() or Stage.FOLLOW_UP, message.freeze_at)
            self.nothing_is_made_twice()

    @rule(process=some_process, stage=st.sampled_from(Stage), answer=answers, freeze_at=freezes)
    def deliver_out_of_order(self, process: str, stage: Stage, answer: Answer, freeze_at: str | None) -> None:
        """A message comes too early, too late or once more, perhaps to a process that the others hold for dead."""
        for tool in self.tools.values():
            tool.answer, tool.lookup_fails = answer, False
        self.work(process, stage, freeze_at)

    @precondition(lambda self: self.threads)
    @rule(data=st.data(), answer=answers, renews=st.booleans(), carries_on=st.booleans())
    def thaw(self, data: st.DataObject, answer: Answer, renews: bool, carries_on: bool) -> None:
        """A frozen thread goes on where it stopped, whatever happened meanwhile."""
        self.carries_on = carries_on
        thread = self.threads.pop(data.draw(st.integers(0, len(self.threads) - 1)))
        if renews:
            self.leases[thread.process].renew()
        for tool in self.tools.values():
            tool.answer = answer
        self.go_on(thread)

    @rule(seconds=st.sampled_from([1.0, 12.0, 25.0, 50.0, 110.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        """Everybody's clock goes on."""
        self.advance(seconds)

    @rule(process=st.sampled_from(PROCESSES))
    def renew(self, process: str) -> None:
        """A process renews its row; one that was held for dead comes back."""
        self.leases[process].renew()

    @rule(process=st.sampled_from(PROCESSES))
    def die(self, process: str) -> None:
        """A process ends without a word, and another one starts in its place."""
        self.threads = [thread for thread in self.threads if thread.process != process]
        self.leases[process] = ProcessLease(self.database, process, list(Stage))
        self.leases[process].renew()

    @rule()
    def keep_house(self) -> None:
        """The relay frees the runs of the dead, and rings."""
        relay = RelayStore(self.database, uuid4())
        relay.reap()
        relay.ring(dict.fromkeys(Stage, 10))

    @rule()
    def person_is_impatient(self) -> None:
        """Somebody retries or redrives the run, which may not be allowed."""
        people = Operations(self.database, "somebody")
        for change in (people.retry, people.redrive):
            with contextlib.suppress(NotAllowed):
                change(self.run_id)

    @invariant()
    def nothing_is_made_twice(self) -> None:
        """No key was ever committed more than once."""
        for tool in self.tools.values():
            assert all(len(times) == 1 for times in tool.commits.values()), (tool.spec.name, tool.commits)
            assert len(tool.commits) <= 1

    @invariant()
    def what_is_passed_was_made(self) -> None:
        """A stage that the checkpoint has passed has its object, but for a follow-up that was refused."""
        left = pipeline.stages_from(Checkpoint(self.run("checkpoint")))
        for name, tool in self.tools.items():
            assert STAGES[name] in left or len(tool.commits) == self.wanted(STAGES[name])

    def teardown(self) -> None:
        """When nothing goes wrong any more the run ends, with one object for each effect, or waits for a person."""
        for tool in self.tools.values():
            tool.answer, tool.lookup_fails = Answer.OK, False
        for _ in range(40):
            self.person_is_impatient()
            if (stage := self.next_stage()) is None or self.run("status") == Status.HELD:
                break
            self.advance(300)
            self.leases["a"].renew()
            self.work("a", stage, None)
        self.advance(1_000)
        self.nothing_is_made_twice()
        ends = {Status.DONE} if self.kind in {ToolClass.KEYED, ToolClass.FINDABLE} else {Status.DONE, Status.HELD}
        assert self.run("status") in ends, self.run("reason")
        if self.run("status") == Status.DONE:
            made = {STAGES[name]: len(tool.commits) for name, tool in self.tools.items()}
            assert made == {stage: self.wanted(stage) for stage in made}

    def wanted(self, stage: Stage) -> int:
        """How many objects a stage that is passed has made: a run goes on without a follow-up that was refused."""
        query = "select count(*) from effect where run_id = %s and stage = 'follow_up' and state = 'refused'"
        return 1 - (value(self.database, query, self.run_id) if stage is Stage.FOLLOW_UP else 0)

    def work(self, process: str, stage: Stage, freeze_at: str | None, claim: Claim | None = None) -> None:
        """Let a process work on a message, and on the next stage if its commit claimed that."""
        self.store.freeze_at, lease = freeze_at, self.leases[process]
        try:
            served = Stage if self.carries_on else ()
            outcome = self.engine.run_stage(self.run_id, stage, lease, claim=claim, carry_on=served)
        except Frozen:
            if self.store.frozen is None:
                raise AssertionError from None
            self.threads.append(Thread(process, *self.store.frozen))
        else:
            self.carry_on(process, outcome.next_claim, freeze_at)
        self.store.freeze_at = None

    def carry_on(self, process: str, claim: Claim | None, freeze_at: str | None = None) -> None:
        """Go on with a claim, if there is one."""
        if claim is not None:
            self.work(process, claim.stage, freeze_at, claim)

    def go_on(self, thread: Thread) -> None:
        """What `run_stage` does after the line where the thread stopped."""
        lease, result = self.leases[thread.process], thread.result
        if result is None:
            self.work(thread.process, thread.claim.stage, None, thread.claim)
        elif isinstance(result, Finished):
            completed = self.store.complete(thread.claim, result, lease, carry_on=self.carries_on)
            self.carry_on(thread.process, completed.next_claim)
        else:
            self.store.settle(thread.claim, result, lease)

    def advance(self, seconds: float) -> None:
        """Let time pass for the database, the tools, the leases and the threads that are frozen."""
        let_pass(self.database, self.run_id, seconds)
        for tool in self.tools.values():
            tool.advance(seconds)
        for lease in self.leases.values():
            lease._alive_until -= seconds
        self.threads = [
            replace(thread, claim=replace(thread.claim, started=thread.claim.started - seconds))
            for thread in self.threads
        ]

    def next_stage(self) -> Stage | None:
        """The stage that the run waits for."""
        return next(iter(pipeline.stages_from(Checkpoint(self.run("checkpoint")))), None)

    def seconds_until(self, column: str) -> float:
        """How long it is until a time in the run's row."""
        return float(self.run(f"extract(epoch from {column} - now())"))

    def run(self, column: str) -> Any:
        """A column of the run's row."""
        return value(self.database, f"select {column} from run where id = %s", self.run_id)  # noqa: S608


@pytest.fixture(scope="module")
def shared(template: str, servers: local.Lease) -> Iterator[Database]:  # noqa: ARG001
    """One database for all examples, which have a run each."""
    with databases.copied(template) as url:
        database = Database(url)
        wait_until_processes_can_die(database)
        yield database
        database.close()


def message(answer: Answer, process: str = "a", freeze_at: str | None = None) -> Message:
    """A message that overtakes what is frozen."""
    return Message(process, answer, lookup_fails=False, freeze_at=freeze_at, overtakes=True, carries_on=False)


STORIES: dict[str, list[Message | float]] = {
    "committed late, asked again and again": [message(Answer.LATE), *[message(Answer.OK)] * 4],
    "dead before it could say that it broke off": [
        message(Answer.LATE, freeze_at="save"),
        *[message(Answer.OK, process="b")] * 4,
    ],
    "frozen before it sends": [message(Answer.OK, freeze_at="work"), *[message(Answer.OK, process="b")] * 4],
    "frozen with the next claim in hand": [
        replace(message(Answer.OK, freeze_at="next"), carries_on=True),
        *[message(Answer.OK, process="b")] * 4,
    ],
    "frozen before it saves": [message(Answer.OK, freeze_at="save"), *[message(Answer.OK, process="b")] * 4],
    "lost for longer than a key is kept": [
        message(Answer.COMMITTED_BUT_LOST),
        message(Answer.NOT_SENT),
        110.0,
        message(Answer.OK),
    ],
}


@pytest.mark.parametrize("kind", ONCE)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_plainest_stories(shared: Database, kind: ToolClass, story: list[Message | float]) -> None:
    """The shortest ways in which something could be made twice end well for every class of tool."""
    machine = type("Machine", (EffectMachine,), {"kind": kind, "database": shared})()
    for step in story:
        machine.take([step]) if isinstance(step, Message) else machine.advance(step)
    for thread in machine.threads:
        machine.go_on(thread)
    machine.teardown()


@pytest.mark.parametrize("kind", ONCE)
def test_an_effect_happens_once_whatever_happens(shared: Database, kind: ToolClass) -> None:
    """Whatever dies, freezes or lies in whatever order, no object is made twice, and a run that ends has each once."""

    class Machine(EffectMachine):
        """The machine for one class of tool."""

    Machine.kind, Machine.database = kind, shared
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    limits = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=checks, print_blob=True
    )
    run_state_machine_as_test(Machine, settings=limits)
