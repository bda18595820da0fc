"""What is tried: who works on what, how the other systems behave, who is killed, and how it has to end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import celery

from tests.crash import naive
from tests.crash.scene import STAGES, Scene, State, report
from triage import errors
from triage.model import Sent, Stage, Status, ToolClass

TOO_MANY = {"kind": "429", "seconds": 0.5}
LATE = {"kind": "hang_late_commit", "seconds": 1.2}
INDEX_LAG = 0.3
"""Seconds. `LATE` and this together are shorter than the quarantine, and `LATE` is longer than the short timeout."""
SLOW = {"kind": "slow", "seconds": 1.0}
SHORT = 1.0
CAREFUL = """name = "careful"
[approval]
purposes = ["tickets"]
"""
PLAIN = 'name = "plain"\n'
TELLING = "Since the upgrade to 4.2 every order that is saved twice within one second is lost, without a word."
REAL = ("tickets", "notices", "slots")
VERY_LATE = {"kind": "hang_late_commit", "seconds": 5.0}
"""Longer than the timeout of its case, and with Redmine's own time much shorter than that and the quarantine."""
PROMISING = [kind for kind in ToolClass if kind is not ToolClass.REPEATED]
"""The classes that promise never to make two."""
FORGETFUL = 2.5
"""Seconds for which a tool keeps its keys, when it is to have forgotten them at the recovery."""


def submit(scene: Scene) -> None:
    """Begin with new runs."""
    scene.submit(scene.case.runs)


def nothing(_scene: Scene, _state: State) -> None:
    """The outside leaves the runs alone."""


@dataclass(frozen=True)
class Command:
    """What the killed operator does, once it is time to; `given` are the verb's arguments."""

    verb: str
    given: Callable[[Scene, State], dict[str, Any]]
    is_time: Callable[[Scene, State], bool] = lambda _scene, _state: True
    again_at: Callable[[Scene, State], bool] = lambda _scene, _state: True
    """When it is done again after a death; bounded by the case's limit."""


@dataclass(frozen=True)
class Case:
    """Times are in seconds. Without a `kind` the local tools are used; without a `command` a worker is killed.

    `faults` meet the first tickets that are filed, `notice_faults` the first notices. `begin` happens before the trial,
    `act` again and again during it. `more_runs` allows for operations that make another run whenever they are repeated.
    """

    name: str
    kind: ToolClass | None = None
    faults: tuple[str | Mapping[str, Any], ...] = ()
    notice_faults: tuple[str | Mapping[str, Any], ...] = ()
    makes: tuple[str, ...] = ("tickets", "notices")
    title: str = "Saving an order fails"
    policy: str = ""
    timeout: float = 2.0
    quarantine: float = 1.6
    window: float | None = None
    runs: int = 1
    more_runs: int = 0
    slots: int = 2
    begin: Callable[[Scene], None] = submit
    act: Callable[[Scene, State], None] = nothing
    command: Command | None = None
    ends: frozenset[Status] = frozenset({Status.DONE})
    resolves: bool = True
    limit: float = 120.0
    is_naive: bool = False
    is_real: bool = False
    on_unknown: str = "hold"
    comments: int = 0
    """How many of the runs comment on an earlier one's ticket: their reports say the same."""
    all_of: tuple[str, ...] = ()
    others_every: int = 1
    """Of the boundaries that fit none of the patterns `all_of` only every so many, for cases that take long."""

    @property
    def may_hold(self) -> bool:
        """Whether a lost answer can only be found out by a person."""
        asks = self.is_real and self.on_unknown == "hold"
        return asks or self.kind is ToolClass.BLIND or self.window is not None

    def may_repeat(self, stage: Stage) -> bool:
        """Whether the tool of this stage is set to send again when an answer was lost."""
        return self.is_real and self.on_unknown == "resend" and stage is Stage.NOTIFY

    @property
    def is_counted_there(self) -> bool:
        """Whether the other systems say what was made, and not our own tables."""
        return self.is_real or self.kind is not None

    @property
    def loses_answers(self) -> bool:
        """Whether answers get lost without anybody being killed."""
        return LATE in self.faults

    @property
    def longest_doubt(self) -> float:
        """Seconds after which a person may rely on what the other system shows."""
        return 1.7 if self.faults else 0.1

    @property
    def most_runs(self) -> int:
        """How many runs there may be."""
        return self.runs + self.more_runs


def every() -> dict[str, Case]:
    """All cases by name."""
    found = [
        *_tool_classes(),
        *_ways_in(),
        *_comments(),
        *_holds(),
        *_leaves(),
        *_cancels(),
        *_forks(),
        *_redrives(),
        *_relays(),
        *_reals(),
        *_naives(),
    ]
    return {case.name: case for case in found}


def _naives() -> Iterator[Case]:
    """Beside ours: tools that could be asked afterwards, but are not."""
    normal = Case("naive/normal", ToolClass.FINDABLE, limit=10.0, begin=_send_naive, is_naive=True)
    yield normal
    yield replace(normal, name="naive/429", faults=(TOO_MANY,))
    yield replace(normal, name="naive/late", faults=(LATE,), timeout=SHORT)


def _send_naive(scene: Scene) -> None:
    naive.send(scene.lane.broker_url, f"naive-{scene.serial}")


def _tool_classes() -> Iterator[Case]:
    yield Case("local/normal")
    for kind in PROMISING:
        normal = Case(f"{kind}/normal", kind)
        yield normal
        yield replace(normal, name=f"{kind}/429", faults=(TOO_MANY,))
        yield replace(normal, name=f"{kind}/late", faults=(LATE,), timeout=SHORT)
    yield Case("windowed/expired", ToolClass.WINDOWED, window=FORGETFUL)
    for kind in (ToolClass.KEYED, ToolClass.FINDABLE):
        yield Case(f"{kind}/all", kind, makes=tuple(STAGES), title="Data loss: all orders are gone")


def _ways_in() -> Iterator[Case]:
    fields = report().model_dump(mode="json")
    command = Command("submit", lambda _scene, _state: fields)
    yield Case("submit/client", begin=lambda _scene: None, command=command)
    yield Case("submit/by_name", begin=_send_by_name, act=_send_again)


def _send_by_name(scene: Scene) -> None:
    sender = celery.Celery("sender", broker=scene.lane.broker_url, set_as_current=False)
    sender.conf.broker_transport_options = {"global_keyprefix": "triage:"}
    fields = {"source": "demo", "source_id": f"named-{scene.serial}", "title": "Saving an order fails"}
    with sender:
        sender.send_task("triage.submit", kwargs=fields, queue="submit")


def _send_again(scene: Scene, state: State) -> None:
    """A service that has only the broker submits again when it does not find its run."""
    if scene.memory.deaths and not state.runs and scene.once(f"sent again {scene.memory.deaths}"):
        _send_by_name(scene)


def _comments() -> Iterator[Case]:
    """The second report that says the same; the first one's ticket is there."""
    yield Case("local/comment", runs=2, comments=1, begin=_file_and_repeat)


def _file_and_repeat(scene: Scene) -> None:
    said = {"title": scene.title, "body": TELLING}
    scene.carry(scene.submit(**said)[0], Stage.TRIAGE, Stage.CREATE_TICKET, Stage.NOTIFY)
    scene.submit(source="crm", **said)


def _file_there_and_repeat(scene: Scene) -> None:
    """The first run's ticket is filed; a worker does the rest of both."""
    said = {"title": scene.title, "body": TELLING}
    scene.carry(scene.submit(**said)[0], Stage.TRIAGE, Stage.CREATE_TICKET)
    scene.submit(source="crm", **said)


def _holds() -> Iterator[Case]:
    resolve = Command("resolve", _found, lambda scene, _state: scene.is_certain())
    happened = Case("hold/worker", ToolClass.BLIND, ("commit_then_drop",), begin=_hold_and_resolve)
    yield happened
    yield replace(happened, name="hold/happened", begin=_hold, command=resolve, resolves=False)
    absent = replace(happened, name="hold/absent", faults=("500_before",), begin=_hold, resolves=False)
    yield replace(absent, command=resolve)
    again = replace(happened, begin=_hold, command=replace(resolve, again_at=_held_or_done))
    yield replace(again, name="hold/next", notice_faults=("500_before",))
    yield replace(again, name="hold/again", faults=("500_before", "commit_then_drop"))


def _hold(scene: Scene) -> None:
    scene.carry(scene.submit()[0], Stage.TRIAGE, Stage.CREATE_TICKET)


def _hold_and_resolve(scene: Scene) -> None:
    _hold(scene)
    found = _found(scene, scene.state())
    (run_id,) = scene.state().runs
    scene.services.operations("person").resolve(run_id, Sent(found["object_id"]))


def _found(scene: Scene, state: State) -> dict[str, Any]:
    """What a person says who has looked."""
    made = scene.commits("tickets")
    return {"run_id": _first(state), "object_id": made[0].id if made else None, "fence": state.fence}


def _held_or_done(_scene: Scene, state: State) -> bool:
    """The run has come to rest, perhaps at its next unknown outcome."""
    return Status.ACTIVE not in state.runs.values()


def _first(state: State) -> str:
    return str(min(state.runs))


def _leaves() -> Iterator[Case]:
    """A ticket that needs somebody's leave."""
    worker = Case("leave/blind", ToolClass.BLIND, policy=CAREFUL, act=_give_leave)
    yield worker
    yield replace(worker, name="leave/findable", kind=ToolClass.FINDABLE)
    command = Command("approve", _wanted, _is_asked)
    yield replace(worker, name="leave/operator", begin=_hold, act=nothing, command=command)


def _is_asked(scene: Scene, _state: State) -> bool:
    return bool(scene.services.approvals.asked())


def _wanted(scene: Scene, _state: State) -> dict[str, Any]:
    (one,) = scene.services.approvals.asked()
    return {"number": one.id, "digest": one.digest.hex()}


def _give_leave(scene: Scene, _state: State) -> None:
    for one in scene.services.approvals.asked():
        scene.services.approvals.decide(one.id, one.digest, leave=True, by="person")


def _cancels() -> Iterator[Case]:
    ends = frozenset({Status.CANCELLED, Status.DONE})
    for kind in (ToolClass.KEYED, ToolClass.FINDABLE, ToolClass.BLIND):
        worker = Case(f"cancel/{kind}", kind, (SLOW,) * 6, act=_cancel, ends=ends)
        yield worker
    command = Command("cancel", lambda _scene, state: {"run_id": _first(state)}, _under_way)
    yield Case("cancel/operator", ToolClass.KEYED, (SLOW,) * 6, command=command, ends=ends)


def _under_way(scene: Scene, _state: State) -> bool:
    return bool(scene.commits("tickets"))


def _cancel(scene: Scene, state: State) -> None:
    if not _under_way(scene, state) or not scene.once("cancel"):
        return
    for run_id in state.with_status(Status.ACTIVE):
        with contextlib.suppress(errors.NotAllowed):  # it was faster
            scene.services.operations("person").cancel(run_id)


def _forks() -> Iterator[Case]:
    worker = Case("fork/ticket", ToolClass.KEYED, runs=2, begin=_finish_and_fork)
    yield worker
    yield replace(worker, name="fork/findable", kind=ToolClass.FINDABLE)
    given = Command("fork", lambda _scene, state: {"run_id": _first(state), "stage": Stage.CREATE_TICKET})
    yield replace(worker, name="fork/operator", begin=_finish, command=given, more_runs=1)


def _finish(scene: Scene) -> None:
    scene.carry(scene.submit()[0], Stage.TRIAGE, Stage.CREATE_TICKET, Stage.NOTIFY)


def _finish_and_fork(scene: Scene) -> None:
    _finish(scene)
    (run_id,) = scene.state().runs
    scene.services.operations("person").fork(run_id, Stage.CREATE_TICKET)


def _redrives() -> Iterator[Case]:
    worker = Case("redrive/keyed", ToolClass.KEYED, ("refuse",), act=_redrive)
    yield worker
    yield replace(worker, name="redrive/findable", kind=ToolClass.FINDABLE)
    command = Command("redrive", lambda _scene, state: {"run_id": _first(state)})
    yield replace(worker, name="redrive/operator", begin=_hold, act=nothing, command=command)


def _redrive(scene: Scene, state: State) -> None:
    for run_id in state.with_status(Status.DEAD):
        if scene.once("redrive"):
            scene.services.operations("person").redrive(run_id)


def _relays() -> Iterator[Case]:
    yield Case("relay/batch", runs=3)
    yield Case("relay/flushed", ToolClass.KEYED, (SLOW, SLOW), runs=2, slots=1, act=_flush)


def _flush(scene: Scene, state: State) -> None:
    """While a run is worked on and the others wait; and again when a worker has died."""
    if (_under_way(scene, state) or scene.memory.deaths) and scene.once(f"flush {scene.memory.deaths}"):
        scene.lane.flush()


def _reals() -> Iterator[Case]:
    """Redmine, Radicale and a mail server, all three in one run; see `systems`."""
    normal = Case("real/normal", makes=REAL, policy=PLAIN, timeout=5.0, quarantine=3.0, is_real=True)
    yield replace(normal, all_of=("http.*", "smtp.*", "tool.*"), others_every=6)
    tickets = replace(normal, all_of=("http.*issues*", "tool.commit(tickets)*"), others_every=12)
    yield replace(tickets, name="real/429", faults=(TOO_MANY,))
    yield replace(tickets, name="real/late", faults=(VERY_LATE,), timeout=4.0)
    notes = ("http.PUT*", "http.GET(issues/*", "tool.commit(tickets)*")
    repeat = replace(normal, name="real/comment", runs=2, slots=1, comments=1, begin=_file_there_and_repeat)
    yield replace(repeat, all_of=notes, others_every=12)
    mails = ("smtp.*", "tool.commit(notices)*")
    yield replace(normal, name="real/resend", on_unknown="resend", all_of=mails, others_every=12)
