"""What really happened: the other systems' ledgers against what was accepted, and how long recoveries took."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy

from tests.chaos.faults import Hit
from tests.chaos.world import ENDPOINTS, World
from triage.model import Stage

EFFECTS = {Stage.CREATE_TICKET: ENDPOINTS["TRACKER"], Stage.NOTIFY: ENDPOINTS["NOTIFIER"]}
RUNS = sqlalchemy.text("select id, status from run")
KEYS = sqlalchemy.text("select run_id, stage, encode(key, 'hex') as key from effect")
UNFINISHED = sqlalchemy.text("""
    select run.id, run.status, checkpoint, attempt, losses, rings, due - now() as due_in, ring_at - now() as ring_in,
        run.claim_id is not null as claimed, reason, effect.state as effect, effect.absences
    from run left join effect on effect.run_id = run.id and effect.state <> 'confirmed'
    where status <> 'done' order by run.created_at limit 20
""")
LOST = sqlalchemy.text("""
    select lost.stage, lost.process_id, extract(epoch from lost.ended_at)::float as taken_up,
        min(extract(epoch from finished.ended_at))::float as finished
    from attempt lost
    join attempt finished on finished.run_id = lost.run_id and finished.fence > lost.fence
    where lost.outcome = 'lost' and finished.outcome = 'finished'
    group by lost.run_id, lost.fence, lost.stage, lost.process_id, lost.ended_at
""")
LIVES = sqlalchemy.text("""
    select extract(epoch from coalesce(finished_at, now()) - created_at)::float as seconds from run
""")
ATTEMPTS = sqlalchemy.text("select outcome, count(*) as number from attempt group by outcome order by outcome")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`duplicates` counts objects too many, `lost` accepted runs without one of their objects, or gone altogether."""

    runs: int
    commits: int
    duplicates: int
    lost: int
    not_done: int
    unfinished: tuple[str, ...]
    wrong: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """A run whose worker was killed or stopped with it: seconds from then.

    `taken_up` is when another worker claimed it (or its own, having come back), and `finished` when the stage that was
    lost, the run's next finished attempt, was done. For a tool that must be asked this includes the call's deadline,
    and the quarantine once or twice.
    """

    stage: Stage
    taken_up: float
    finished: float


def judge(world: World, accepted: Sequence[UUID]) -> Verdict:
    """Count."""
    database = world.site.database
    statuses = {row.id: row.status for row in database.read(RUNS)}
    wanted: dict[Stage, dict[str, UUID]] = defaultdict(dict)
    for row in database.read(KEYS):
        wanted[Stage(row.stage)][row.key] = row.run_id
    made = {stage: _made(world, endpoint) for stage, endpoint in EFFECTS.items()}
    done = [run_id for run_id in accepted if statuses.get(run_id) == "done"]
    missing = [run_id for run_id in accepted if run_id not in statuses]
    missing += [run_id for stage in EFFECTS for run_id in _without(done, wanted[stage], made[stage])]
    twice = [f"{stage}: {key} {times}" for stage in EFFECTS for key, times in _twice(wanted[stage], made[stage])]
    return Verdict(
        runs=len(set(accepted) | set(statuses)),
        commits=sum(counts.total() for counts in made.values()),
        duplicates=sum(_too_many(wanted[stage], made[stage]) for stage in EFFECTS),
        lost=len(set(missing)),
        not_done=len(statuses.keys() | set(accepted)) - sum(status == "done" for status in statuses.values()),
        unfinished=tuple(str(dict(row._mapping)) for row in database.read(UNFINISHED)),
        wrong=tuple([*twice, *(f"lost: {run_id}" for run_id in missing)][:20]),
    )


def recoveries(world: World, pids: dict[UUID, int], hits: Sequence[Hit]) -> list[Recovery]:
    """One for every lost attempt whose process was hit.

    The clock starts at the last hit on that process before the run was taken up. An attempt that was lost without one
    (its process could not renew its row while Postgres was away) has no such moment, and is not counted here.
    """
    found = []
    for row in world.site.database.read(LOST):
        times = [hit.time for hit in hits if hit.pid == pids.get(row.process_id) and hit.time < row.taken_up]
        if times:
            found.append(Recovery(Stage(row.stage), row.taken_up - max(times), row.finished - max(times)))
    return found


def attempts(world: World) -> dict[str, int]:
    """How many attempts ended in which way."""
    return {row.outcome: row.number for row in world.site.database.read(ATTEMPTS)}


def lives(world: World) -> list[float]:
    """Seconds from each run's submission to its end: a claim that nobody works on shows here."""
    return [row.seconds for row in world.site.database.read(LIVES)]


def _made(world: World, endpoint: str) -> Counter[str]:
    return Counter(commit.key for commit in world.tools.commits(endpoint))


def _twice(wanted: dict[str, UUID], made: Counter[str]) -> list[tuple[str, Any]]:
    return [(key, times) for key, times in made.items() if times > 1 or key not in wanted]


def _too_many(wanted: dict[str, UUID], made: Counter[str]) -> int:
    """Every object beyond the first of its key, and every object of a key that no run has."""
    return sum(times - (key in wanted) for key, times in made.items())


def _without(done: Sequence[UUID], wanted: dict[str, UUID], made: Counter[str]) -> list[UUID]:
    have = {run_id for key, run_id in wanted.items() if key in made}
    return [run_id for run_id in done if run_id not in have]
