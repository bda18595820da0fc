"""One trial's world: its runs, the other systems, and what a person would do about what is seen."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.crash.lane import Lane
from tests.support.databases import query
from triage import errors
from triage.bootstrap import Services
from triage.config import Settings
from triage.model import Report, Sent, Stage, Status, ToolClass
from triage.testing import Commit, Controls

if TYPE_CHECKING:
    from tests.crash.cases import Case

STAGES = {
    "tickets": Stage.CREATE_TICKET,
    "notices": Stage.NOTIFY,
    "pages": Stage.NOTIFY,
    "slots": Stage.FOLLOW_UP,
}
"""What is made in which stage."""
ROLES = {"tickets": "tracker", "notices": "notifier", "pages": "escalation", "slots": "calendar"}
LOCAL = {"tickets": ("local_ticket", "local_comment"), "notices": ("local_notice",)}
LOOPBACK = ("127.0.0.1",)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class EffectNow:
    """An effect's row."""

    run_id: UUID
    stage: Stage
    key: str
    state: str


@dataclass(frozen=True, slots=True)
class State:
    """Every run's status, every effect, and the highest fence."""

    runs: dict[UUID, Status]
    effects: list[EffectNow]
    fence: int = 0

    def with_status(self, status: Status) -> list[UUID]:
        """The runs with this status."""
        return [run_id for run_id, its in self.runs.items() if its is status]


@dataclass
class Memory:
    """What the outside has done or seen in this trial; times are monotonic."""

    did: set[str] = field(default_factory=set)
    held_since: dict[UUID, float] = field(default_factory=dict)
    held: int = 0
    deaths: int = 0
    under_way: bool = False
    """Whether somebody died with a call that may have been made."""


class Scene:
    """Of one case, in one lane."""

    def __init__(self, case: "Case", lane: Lane) -> None:
        """Clean the lane, set the tools up, and let the case begin."""
        self.case, self.lane, self.memory = case, lane, Memory()
        self.serial, self.folder = lane.clean()
        self.tools: Controls = lane.tools.forgetful if case.window else lane.tools.lasting
        self.policy = self._policy()
        self.environment = self._environment()
        self.services = Services(self._settings())
        self._break()
        case.begin(self)

    @property
    def title(self) -> str:
        """Of this trial's reports."""
        return self.case.title

    def endpoint(self, what: str) -> str:
        """This trial's own."""
        return f"{self.case.kind}/{what}-{self.serial}"

    def submit(self, number: int = 1, **fields: object) -> list[UUID]:
        """Hand in new reports."""
        reports = [report(**{"title": self.title, **fields}) for _ in range(number)]
        return [one.run_id for one in self.services.store.submit_many(reports, None)]

    def carry(self, run_id: UUID, *stages: Stage) -> None:
        """Work on stages in this process, undisturbed."""
        lease = self.services.lease
        lease.renew()
        for stage in stages:
            outcome = self.services.engine.run_stage(run_id, stage, lease)
            assert outcome.what in {"finished", "held", "dead"}, outcome
        lease.give_up()

    def state(self) -> State:
        """What the database says."""
        runs = query(self.services.database, "select id, status, fence from run")
        effects = query(self.services.database, "select run_id, stage, encode(key, 'hex') as key, state from effect")
        return State(
            {row.id: Status(row.status) for row in runs},
            [EffectNow(row.run_id, Stage(row.stage), row.key, row.state) for row in effects],
            max((row.fence for row in runs), default=0),
        )

    def commits(self, what: str) -> list[Commit]:
        """What the other system really made."""
        if self.case.kind is not None:
            return self.tools.commits(self.endpoint(what))
        return [commit for table in LOCAL[what] for commit in self.rows(table)]

    def rows(self, table: str) -> list[Commit]:
        """What a local tool really made."""
        rows = query(self.services.database, f"select id, encode(key, 'hex') as key from {table}")  # noqa: S608
        return [Commit(str(row.id), row.key, {}, 0.0) for row in rows]

    def comments(self) -> int:
        """How many of what was made for tickets are comments."""
        return len(self.rows("local_comment"))

    def made(self, stage: Stage) -> list[Commit]:
        """What was really made for a stage, wherever."""
        return [commit for what in self.case.makes if STAGES[what] is stage for commit in self.commits(what)]

    def finished(self, state: State) -> bool:
        """Whether nothing is left to happen."""
        enough = len(state.runs) >= self.case.runs
        silent = any(effect.state == "sending" for effect in state.effects)
        return enough and all(status in self.case.ends for status in state.runs.values()) and not silent

    def mourn(self) -> State:
        """Somebody was killed: note what they may have been in the middle of."""
        time.sleep(0.03)  # a statement that was already sent still commits
        state = self.state()
        self.memory.deaths += 1
        self.memory.under_way |= any(self.may_be_made(effect) for effect in state.effects)
        return state

    def may_be_made(self, effect: EffectNow) -> bool:
        """Whether a call is under way whose outcome may need a person."""
        return effect.state == "sending"

    def act(self, state: State) -> None:
        """Do what the outside does in this case; then resolve what is held, after looking at the other system."""
        self.case.act(self, state)
        for run_id in state.with_status(Status.HELD):
            unknown = [one for one in state.effects if one.run_id == run_id and one.state == "unknown"]
            if unknown:
                self._resolve(run_id, unknown[0])

    def is_certain(self) -> bool:
        """Whether nothing can be committed any more that is not seen yet."""
        return not query(self.services.database, "select from effect where state = 'unknown' and not_before > now()")

    def once(self, what: str) -> bool:
        """True the first time."""
        new = what not in self.memory.did
        self.memory.did.add(what)
        return new

    def close(self) -> None:
        """Give back the connections."""
        self.services.close()

    def problems(self) -> "Count":
        """Judge the end."""
        return judge(self, self.state())

    def _resolve(self, run_id: UUID, unknown: EffectNow) -> None:
        since = self.memory.held_since.setdefault(run_id, time.monotonic())
        if time.monotonic() - since < self.case.longest_doubt or not self.case.resolves:
            return
        made = [commit for commit in self.made(unknown.stage) if commit.key == unknown.key]
        try:
            self.services.operations("person").resolve(run_id, Sent(made[0].id) if made else None)
        except errors.NotAllowed:  # too early to say that it did not happen
            return
        self.memory.held += 1
        del self.memory.held_since[run_id]

    def _break(self) -> None:
        """Tell the other systems what to do wrong."""
        self.tools.script(self.endpoint("tickets"), *self.case.faults)
        self.tools.script(self.endpoint("notices"), *self.case.notice_faults)

    def _tool(self, what: str) -> dict[str, str]:
        case = self.case
        if case.kind is None:
            return {}
        url = self.tools.endpoint(self.endpoint(what))
        found = {"find_url": url} if case.kind is ToolClass.FINDABLE else {}
        window = {"key_window": f"PT{case.window or 60:g}S"} if case.kind is ToolClass.WINDOWED else {}
        times = {"timeout": f"PT{case.timeout:g}S", "quarantine": f"PT{case.quarantine:g}S"}
        return {"kind": "webhook", "url": url, "tool_class": case.kind.value, **times, **found, **window}

    def _policy(self) -> Path | None:
        if not self.case.policy:
            return None
        path = self.folder / "policy.toml"
        path.write_text(self.case.policy)
        return path

    def _settings(self) -> Settings:
        tools: dict[str, Any] = {ROLES[what]: self._tool(what) for what in self.case.makes}
        servers: dict[str, Any] = {"database_url": self.lane.database_url, "broker_url": self.lane.broker_url}
        servers |= {"duplicates": {"identical": "comment"}} if self.case.comments else {}
        return Settings(**servers, **tools, egress_allow=LOOPBACK, policy=self.policy, database_connections=2)

    def _environment(self) -> dict[str, str]:
        tools = {ROLES[what].upper(): self._tool(what) for what in self.case.makes}
        named = {f"TRIAGE_{tool}__{key.upper()}": text for tool, given in tools.items() for key, text in given.items()}
        judged = {"TRIAGE_POLICY": str(self.policy)} if self.policy else {}
        judged |= {"TRIAGE_DUPLICATES__IDENTICAL": "comment"} if self.case.comments else {}
        return (
            named
            | judged
            | {
                "TRIAGE_DATABASE_URL": self.lane.database_url,
                "TRIAGE_BROKER_URL": self.lane.broker_url,
                "TRIAGE_EGRESS_ALLOW": json.dumps(LOOPBACK),
                "TRIAGE_DATABASE_CONNECTIONS": "4",
                "TRIAGE_HOME": str(self.folder),
            }
        )


@dataclass
class Count:
    """What went wrong, in numbers and in words."""

    duplicates: int = 0
    lost: int = 0
    repeats: int = 0
    words: list[str] = field(default_factory=list)

    def add(self, kind: str, number: int, why: str) -> None:
        """Count `number` of a kind, if there are any."""
        if number > 0:
            setattr(self, kind, getattr(self, kind) + number)
            self.words.append(f"{kind}: {why}")


def judge(scene: Scene, state: State) -> Count:
    """One commit for each effect of a finished run, at most one for the others, and no commit of nobody's."""
    found = Count()
    found.add("lost", scene.case.runs - len(state.runs), f"{len(state.runs)} of {scene.case.runs} runs are there")
    found.add("duplicates", len(state.runs) - scene.case.most_runs, f"{len(state.runs)} runs")
    for stage in {STAGES[what]: what for what in scene.case.makes}:
        _judge_effects(found, scene, state, stage)
    if scene.case.comments:
        made = scene.comments()
        found.add("lost", scene.case.comments - made, f"{made} comments")
    for run_id, status in state.runs.items():
        made = sum(effect.run_id == run_id for effect in state.effects)
        found.add("lost", int(status not in scene.case.ends), f"run {run_id} ended {status}")
        is_short = status is Status.DONE and made < len(scene.case.makes)
        found.add("lost", int(is_short), f"run {run_id} is done with {made} effects")
    return found


def _judge_effects(found: Count, scene: Scene, state: State, stage: Stage) -> None:
    made = Counter(commit.key for commit in scene.made(stage))
    for effect in (effect for effect in state.effects if effect.stage is stage):
        number = made.pop(effect.key, 0)
        owed = effect.state == "confirmed" or state.runs.get(effect.run_id) is Status.DONE
        again = "repeats" if scene.case.may_repeat(stage) else "duplicates"
        found.add(again, number - 1, f"{number} objects for one {stage} effect")
        found.add("lost", int(owed and not number), f"the {stage} effect is {effect.state}, and nothing was made")
        found.add("lost", int(effect.state == "sending"), f"the {stage} effect is left in sending")
    found.add("duplicates", sum(made.values()), f"{sum(made.values())} objects of {stage} that belong to no effect")


def report(**fields: object) -> Report:
    """A report that was never seen before."""
    given = {"source": "demo", "source_id": f"r-{next(_numbers)}", "title": "Saving an order fails", **fields}
    return Report.model_validate(given)
