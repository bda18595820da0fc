"""One chaos run from its beginning to its figures."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import judge, report, world
from tests.chaos.faults import Injector
from tests.chaos.load import Load
from tests.chaos.schedule import Event
from tests.chaos.watch import Watch, say
from tests.chaos.world import LATE, Place, World
from triage import errors
from triage.model import Status

DRAIN = 180.0
"""Seconds after the last fault within which every run must be done; one that met many waits for a minute or two."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: the seed, how long, how many reports a second, and which faults."""

    seed: int
    seconds: float
    rate: float
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the workers run, and how one of them is cut off."""

    places: Sequence[Place] = ()
    cut: Callable[[Event], None] | None = None


def run(plan: Plan, folder: Path, settle: Callable[[World], Setting] = lambda _: Setting()) -> dict[str, Any]:
    """Build everything, let it happen, wait until all is done, and judge."""
    with world.built(folder) as built:
        setting = settle(built)
        world.start_workers(built, setting.places)
        say("the workers are ready")
        injector = Injector(built, setting.cut)
        try:
            return report.summary(_happen(plan, built, injector))
        finally:
            injector.finish()  # else a fault that is under way could start a worker after all others were ended


def _happen(plan: Plan, built: World, injector: Injector) -> report.Findings:
    load = Load(built.site.database, plan.rate, plan.seconds)
    watch = Watch(built, load, injector)
    load.start()
    watch.start()
    injector.play(plan.events)
    load.join(plan.seconds + 120)
    load.stop()
    injector.finish()
    drained = _drain(built, load)
    watch.stop()
    return report.Findings(
        seed=plan.seed,
        seconds=plan.seconds,
        expected=len(plan.events),
        faults=injector.applied,
        verdict=judge.judge(built, load.accepted),
        recoveries=judge.recoveries(built, watch.seen.pids, injector.hits),
        lives=judge.lives(built),
        attempts=judge.attempts(built),
        seen=watch.seen,
        drained=drained,
        repeated=load.repeated,
        problems=[*injector.problems, *([load.problem] if load.problem else []), *_dead(built)],
    )


def _drain(built: World, load: Load) -> float:
    """Wait until all is done, but not for ever; then until the latest commit that was on its way is made."""
    began = time.monotonic()
    while built.site.count(load.accepted) < len(load.accepted) and time.monotonic() - began < DRAIN:
        time.sleep(0.5)
    took = time.monotonic() - began
    time.sleep(LATE + 1)
    return took


def _dead(built: World) -> list[str]:
    """Workers that ended although nobody killed them, and runs that were given up."""
    problems = [f"{one.name} ended by itself\n{one.tail()}" for one in built.site.workers if not one.alive]
    try:
        given_up = built.site.runs([], Status.DEAD, Status.HELD)
    except errors.StoreUnavailable as error:
        return [*problems, str(error)]
    return [*problems, *(f"{line.id} is {line.status}: {line.reason}" for line in given_up[:10])]
