"""One trial: somebody is killed at a boundary, others take over, and what came of it is counted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import boundaries
from tests.crash.cases import Case
from tests.crash.lane import Lane
from tests.crash.naive_scene import NaiveScene
from tests.crash.nursery import Child, Nursery
from tests.crash.real_scene import RealScene
from tests.crash.scene import Scene, State
from triage.model import Status

POLL = 0.1
LINGER = 2.5
"""Seconds after the end of the runs in which a worker may still come to its boundary."""
OPERATOR_LIMIT = 15.0
OF_TOOL = "tool.commit"
"""The boundary that the harness itself watches: the other side has committed."""


@dataclass
class Result:
    """What came of a trial; times are in seconds. `recovery` is None if there was nothing to recover.

    `repeats` are further copies from a tool that is set to send again, and to make its copies alike.
    """

    case: str
    at: tuple[str, ...]
    reached: bool = True
    duplicates: int = 0
    lost: int = 0
    repeats: int = 0
    held: int = 0
    held_unexpected: int = 0
    recovery: float | None = None
    taken_up: float | None = None
    words: list[str] = field(default_factory=list)
    traces: list[Path] = field(default_factory=list)
    commits: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether it showed what it had to."""
        return self.reached and not self.went_wrong

    @property
    def went_wrong(self) -> bool:
        """Whether a promise was broken."""
        return bool(self.duplicates or self.lost or self.held_unexpected)


class Trial:
    """Kills at each of the given boundaries in turn; with none it only records."""

    def __init__(self, case: Case, lane: Lane, nursery: Nursery, at: Sequence[str] = ()) -> None:
        """Begin the case in the lane."""
        self.scene = (NaiveScene if case.is_naive else RealScene if case.is_real else Scene)(case, lane)
        self.result = Result(case.name, tuple(at))
        self._nursery = nursery
        self._children: list[Child] = []
        self._died_at: float | None = None

    def run(self) -> Result:
        """Let it happen, and count."""
        began = time.monotonic()
        try:
            self._commanded() if self.scene.case.command else self._worked()
            self._judge()
        finally:
            for child in self._children:
                child.kill()
            self.scene.close()
        self.result.traces = [child.trace for child in self._children]
        self.result.seconds = time.monotonic() - began
        return self.result

    def _worked(self) -> None:
        """Each worker but the last is killed."""
        for at in (*self.result.at, None):
            worker = self._worker(at)
            if self._follow(worker, at) and at is not None:
                self.result.reached = False
                return

    def _commanded(self) -> None:
        """The operator is killed and does it again, while a worker goes on all the time."""
        worker, command = self._worker(None), self.scene.case.command
        assert command is not None
        self._until(worker, lambda state: command.is_time(self.scene, state))
        given = command.given(self.scene, self.scene.state())
        for at in (*self.result.at, None):
            operator = self._start("operator", at, kind="operator", verb=command.verb, given=given)
            if not operator.ended.wait(OPERATOR_LIMIT):
                raise TimeoutError(operator.tail())
            self.result.reached &= at is None or self._was_killed(operator, at)
            if at is None:
                break
            self._until(worker, lambda state: command.again_at(self.scene, state))
        self._until(worker, self.scene.finished)
        self._recovered()

    def _follow(self, worker: Child, at: str | None) -> bool:
        """Until the worker is dead (False), or everything is finished and its boundary does not come (True)."""
        finished_at = 0.0
        give_up = time.monotonic() + self.scene.case.limit
        while not self._dies(worker, at):
            state = self._look()
            if self.scene.finished(state):
                finished_at = finished_at or time.monotonic()
                self._recovered()
            if time.monotonic() > give_up or (finished_at and (at is None or time.monotonic() > finished_at + LINGER)):
                return True
        return not self._was_killed(worker, at)

    def _dies(self, worker: Child, at: str | None) -> bool:
        if at is not None and at.startswith(OF_TOOL):
            self._watch_tool(worker, at)
        return worker.ended.wait(POLL)

    def _watch_tool(self, worker: Child, at: str) -> None:
        name, _, number = at.partition("#")
        (what,) = [what for what in self.scene.case.makes if f"({what})" in name]
        until = time.monotonic() + POLL
        while time.monotonic() < until and not worker.ended.is_set():
            if len(self.scene.commits(what)) >= int(number):
                worker.kill()
            time.sleep(0.01)

    def _until(self, worker: Child, is_so: Callable[[State], bool]) -> None:
        give_up = time.monotonic() + self.scene.case.limit
        while time.monotonic() < give_up:
            if worker.ended.wait(POLL):
                raise RuntimeError(worker.tail())
            state = self._look()
            if is_so(state):
                return

    def _look(self) -> State:
        state = self.scene.state()
        if state.with_status(Status.HELD) and not self.scene.case.command:
            self._recovered()
        self.scene.act(state)
        return state

    def _was_killed(self, child: Child, at: str | None) -> bool:
        """Note the death, if it was at that boundary; raises for one of another kind."""
        if not child.was_killed and child.status != 0:
            raise RuntimeError(child.tail())
        there = at is not None and (at.startswith(OF_TOOL) or _came_to(child.trace, at))
        if not child.was_killed or not there:
            return False
        finished = self.scene.finished(self.scene.mourn())
        self._died_at = None if finished else child.ended_at
        return True

    def _recovered(self) -> None:
        """From the last death to the end of the runs, or to a person's turn."""
        if self._died_at is not None and self.result.recovery is None:
            self.result.recovery = time.monotonic() - self._died_at

    def _judge(self) -> None:
        scene, result = self.scene, self.result
        found = scene.problems()
        result.duplicates, result.lost, result.words = found.duplicates, found.lost, found.words
        result.repeats = found.repeats
        result.held = scene.memory.held + len(scene.memory.held_since)
        expected = scene.case.may_hold and (scene.memory.under_way or scene.case.loses_answers)
        result.held_unexpected = 0 if expected or scene.case.command else result.held
        if scene.case.is_counted_there:
            result.commits = {scene.endpoint(what): len(scene.commits(what)) for what in scene.case.makes}
        if not result.is_good:
            result.words += [child.tail() for child in self._children]
        if self._died_at is not None and not scene.case.command:
            result.taken_up = _first_claim(self._children[-1].trace, self._died_at)

    def _worker(self, at: str | None) -> Child:
        kind = "naive" if self.scene.case.is_naive else "worker"
        return self._start("worker", at, kind=kind, slots=self.scene.case.slots)

    def _start(self, name: str, at: str | None, **wish: object) -> Child:
        ours = {"CRASH_AT": at} if at and not at.startswith(OF_TOOL) else {}
        named = f"{name}{len(self._children) + 1}"
        child = self._nursery.start(self.scene.folder, named, self.scene.environment | ours, **wish)
        self._children.append(child)
        return child

    def boundaries(self, polls: frozenset[str]) -> list[str]:
        """Of the process that is to be killed, after a trial without kills; what was committed elsewhere is added."""
        trace = next(child.trace for child in self._children if self._is_victim(child))
        made = self.result.commits if not self.scene.case.command else {}
        told = [(endpoint.partition("/")[2].partition("-")[0], number) for endpoint, number in made.items()]
        outside = [f"{OF_TOOL}({name})#{n}" for name, number in told for n in range(1, number + 1)]
        return boundaries.of(boundaries.read(trace), polls) + outside

    def _is_victim(self, child: Child) -> bool:
        return child.trace.name.startswith("operator" if self.scene.case.command else "worker")


def _came_to(trace: Path, at: str) -> bool:
    return any(point.name == at for point in boundaries.read(trace))


def _first_claim(trace: Path, died_at: float) -> float | None:
    """Seconds from the death until the next worker worked on a run."""
    claims = (point.at - died_at for point in boundaries.read(trace) if point.label.startswith("sql.claim"))
    return next(claims, None)
