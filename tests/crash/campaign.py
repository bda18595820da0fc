"""All trials: recorded first, then one for each boundary, then pairs, in as many lanes at once as there are."""

import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash import boundaries, cases, systems
from tests.crash.cases import Case
from tests.crash.lane import Lane, Tools
from tests.crash.nursery import Nursery
from tests.crash.scene import Scene
from tests.crash.trial import Result, Trial
from tests.support import databases
from triage import local
from triage.testing import ToolProcess

IDLE = 3.5
"""Seconds that an idle worker is watched, to learn what it repeats."""
TRIES = 3
"""How often a boundary that is not reached is tried."""
TELL_EVERY = 5.0
DRAWS = 3
"""How often as many pairs are drawn as are missing."""


@dataclass(frozen=True, slots=True)
class Task:
    """A trial to be made."""

    case: Case
    at: tuple[str, ...]


@dataclass
class Recovery:
    """What the process that took over did, for the pairs."""

    task: Task
    boundaries: list[str] = field(default_factory=list)


class Campaign:
    """Uses lanes that are ready, one thread each."""

    def __init__(self, lanes: Sequence[Lane], nurseries: Mapping[bool, Nursery]) -> None:
        """`nurseries` by whether their workers are naive."""
        self._lanes: queue.Queue[Lane] = queue.Queue()
        for lane in lanes:
            self._lanes.put(lane)
        self._width = len(lanes)
        self._nurseries = nurseries
        self._polls: dict[bool, frozenset[str]] = {}
        self.recoveries: list[Recovery] = []
        self._lock = threading.Lock()

    def record(self, wanted: Sequence[Case]) -> dict[str, list[str]]:
        """The boundaries of each case, in order."""
        self._polls = {is_naive: self._idle(is_naive) for is_naive in {case.is_naive for case in wanted}}
        found = dict(zip((case.name for case in wanted), self._each(self._recorded, wanted), strict=True))
        return {case.name: found[case.name] for case in wanted}

    def trials(self, tasks: Sequence[Task], tell: str) -> list[Result]:
        """One result for each task; a boundary that was not reached is tried again."""
        progress = Progress(tell, len(tasks))
        return self._each(lambda task: progress.add(self._tried(task)), tasks)

    def pairs(self, number: int, seed: int) -> tuple[list[Result], int]:
        """So many second deaths, and how many pairs were drawn in vain.

        A recovery's way depends on its timing, so that the next one may not come to the boundary that was chosen. Such
        a pair is no trial of anything, and another one is drawn; if too many are, the last ones count as missed.
        """
        sample, done, vain = self._sample(seed), list[Result](), 0
        for last in (*[False] * (DRAWS - 1), True):
            results = self.trials(
                [next(sample) for _ in range(number - len(done)) if self.recoveries], "pairs of crashes"
            )
            kept = [result for result in results if last or result.reached or result.went_wrong]
            vain += len(results) - len(kept)
            done += kept
        return done, vain

    def _sample(self, seed: int) -> Iterator[Task]:
        """Second deaths: cases alike often, their trials and then boundaries by chance."""
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        by_case: dict[str, list[Recovery]] = {}
        for recovery in sorted(self.recoveries, key=lambda one: (one.task.case.name, one.task.at)):
            by_case.setdefault(recovery.task.case.name, []).append(recovery)
        while True:
            one = chance.choice(by_case[chance.choice(sorted(by_case))])
            yield Task(one.task.case, (*one.task.at, chance.choice(one.boundaries)))

    def _each(self, work: Callable, items: Iterable) -> list:  # type: ignore[type-arg]
        with ThreadPoolExecutor(self._width) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for nursery in self._nurseries.values():  # without workers no trial lasts
                    nursery.close()
                raise
            return [future.result() for future in futures]

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        lane = self._lanes.get()
        try:
            yield lane
        finally:
            self._lanes.put(lane)

    def _idle(self, is_naive: bool) -> frozenset[str]:
        case = Case("idle", begin=lambda _scene: None, is_naive=is_naive)
        with self._lane() as lane:
            scene = Scene(case, lane)
            kind = {"kind": "worker", "slots": 2}
            worker = self._nurseries[is_naive].start(scene.folder, "idle", scene.environment, **kind)
            worker.ended.wait(IDLE)
            worker.kill()
            scene.close()
            return boundaries.polling(boundaries.read(worker.trace))

    def _recorded(self, case: Case) -> list[str]:
        for _ in range(TRIES):
            with self._lane() as lane:
                trial = Trial(case, lane, self._nurseries[case.is_naive])
                result = trial.run()
                if result.is_good or case.is_naive:
                    return trial.boundaries(self._polls[case.is_naive])
                say(f"{case.name} went wrong without a kill: {result.words}")
        raise RuntimeError(f"{case.name} does not work even when nobody is killed")

    def _tried(self, task: Task) -> Result:
        for _ in range(TRIES):
            result = self._try(task)
            if result.reached:
                break
        return result

    def _try(self, task: Task) -> Result:
        with self._lane() as lane:
            try:
                result = Trial(task.case, lane, self._nurseries[task.case.is_naive], task.at).run()
            except Exception as error:  # noqa: BLE001 - the trial is void, and tried again
                return Result(task.case.name, task.at, reached=False, words=[repr(error)])
            self._keep(task, result)
            if result.is_good and result.traces:
                lane.forget(result.traces[0].parent)
            return result

    def _keep(self, task: Task, result: Result) -> None:
        alone = len(task.at) == 1 and not task.case.command and not task.case.is_naive
        if alone and result.is_good and result.recovery is not None:
            found = boundaries.of(boundaries.read(result.traces[-1]), self._polls[False])
            with self._lock:
                self.recoveries.append(Recovery(task, found))


class Progress:
    """A line on standard error every few seconds."""

    def __init__(self, what: str, total: int) -> None:
        """Nothing is done yet."""
        self._what, self._total = what, total
        self._done = self._bad = 0
        self._told = time.monotonic()
        self._lock = threading.Lock()

    def add(self, result: Result) -> Result:
        """One more is done; what went wrong is told at once."""
        with self._lock:
            self._done += 1
            if not result.is_good and not result.case.startswith("naive"):
                self._bad += 1
                say(f"{result.case} at {' then '.join(result.at)}: {' | '.join(result.words[:3]) or 'not reached'}")
            if time.monotonic() - self._told > TELL_EVERY or self._done == self._total:
                self._told = time.monotonic()
                say(f"{self._what}: {self._done} of {self._total}, {self._bad} bad")
        return result


def say(text: str) -> None:
    """Tell on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def servers(folder: Path, lanes: int, *, naive: bool = True, real: bool = False) -> Iterator[tuple[Campaign, Tools]]:
    """Private servers, lanes and nurseries for as long as the block lasts."""
    with ExitStack() as stack:
        home = folder / "home"
        endpoints = stack.enter_context(local.attach(home)).endpoints
        stack.callback(local.stop, home)
        databases.make_template(endpoints.database_url)
        lasting = stack.enter_context(ToolProcess(index_lag=cases.INDEX_LAG))
        forgetful = stack.enter_context(ToolProcess(key_window=cases.FORGETFUL))
        tools = Tools(lasting, forgetful, stack.enter_context(systems.running()) if real else None)
        trades = {False: "tests.crash.children"} | ({True: "tests.crash.naive"} if naive else {})
        nurseries = {is_naive: stack.enter_context(Nursery(trade)) for is_naive, trade in trades.items()}
        broker, _, _ = endpoints.broker_url.rpartition("/")
        made = []
        for number in range(lanes):
            url = stack.enter_context(databases.copied(endpoints.database_url))
            made.append(Lane(url, f"{broker}/{number}", folder / f"lane{number}", tools))
        yield Campaign(made, nurseries), tools
