"""A tool whose faults are chosen call by call, and a simulated time that passes at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, auto
from uuid import UUID

from triage import clock, errors
from triage.model import Claim, Decision, Kind, Report, Request, Sent, Severity, ToolClass, ToolSpec
from triage.store.database import Database
from triage.tools.adapter import Adapter

TIMEOUT = timedelta(seconds=30)
QUARANTINE = timedelta(seconds=20)
KEY_WINDOW = timedelta(seconds=100)
LATEST = {
    ToolClass.KEYED: 500.0,
    ToolClass.WINDOWED: TIMEOUT.total_seconds() - 2,
    ToolClass.FINDABLE: (TIMEOUT + QUARANTINE / 2).total_seconds() - 2,
    ToolClass.BLIND: 500.0,
    ToolClass.REPEATED: 500.0,
}
"""How long after a call its commit may come, in seconds; 2 s are left for the time that really passes."""
LAG = QUARANTINE.total_seconds() / 2 - 2
"""After how many seconds the look-up shows an object."""


class Answer(StrEnum):
    """How a call goes."""

    OK = auto()
    COMMITTED_BUT_LOST = auto()
    LOST = auto()
    LATE = auto()
    NOT_SENT = auto()
    REFUSED = auto()


@dataclass
class Coming:
    """A commit that is still to come, in so many seconds."""

    key: str
    seconds: float


class ScriptedTool(Adapter):
    """What it committed is counted by key; `answer` is for the next calls, `lookup_fails` for the next look-ups."""

    def __init__(self, name: str, kind: ToolClass) -> None:
        """Nothing committed, nothing wrong."""
        window = KEY_WINDOW if kind is ToolClass.WINDOWED else None
        super().__init__(ToolSpec(name, kind, TIMEOUT, QUARANTINE, window))
        self.answer = Answer.OK
        self.lookup_fails = False
        self.commits: dict[str, list[float]] = {}
        self._coming: list[Coming] = []
        self._now = 0.0

    def render(self, request: Request) -> bytes:
        """Its key."""
        return request.key.encode()

    def send(self, request: Request) -> Sent:
        """Make the call, as `answer` says."""
        if clock.now() >= request.deadline:
            raise errors.NotSent("the deadline passed before the first byte")
        match self.answer:
            case Answer.NOT_SENT:
                raise errors.NotSent("not reached")
            case Answer.REFUSED:
                raise errors.Refused("not wanted")
            case Answer.LOST:
                raise errors.OutcomeUnknown("broke off, and nothing was done")
            case Answer.LATE:
                self._coming.append(Coming(request.key, LATEST[self.spec.tool_class]))
                raise errors.OutcomeUnknown("broke off, and will be done")
            case Answer.COMMITTED_BUT_LOST:
                self._commit(request.key)
                raise errors.OutcomeUnknown("done, and broke off")
        self._commit(request.key)
        return Sent(request.key[:8])

    def find(self, request: Request) -> Sent | None:
        """Look the marker up in an index that lags behind."""
        if self.lookup_fails:
            raise errors.NotSent("the look-up failed")
        visible = [when for when in self.commits.get(request.key, []) if when + LAG <= self._now]
        return Sent(request.key[:8]) if visible else None

    def advance(self, seconds: float) -> None:
        """Let time pass, and what comes late be committed when it is due."""
        due = [coming for coming in self._coming if coming.seconds <= seconds]
        self._coming = [Coming(one.key, one.seconds - seconds) for one in self._coming if one not in due]
        began = self._now
        for coming in sorted(due, key=lambda one: one.seconds):
            self._now = began + coming.seconds
            self._commit(coming.key)
        self._now = began + seconds

    def _commit(self, key: str) -> None:
        """Make an object, unless the tool has a key of its own and knows this one still."""
        times = self.commits.setdefault(key, [])
        kept = {ToolClass.KEYED: float("inf"), ToolClass.WINDOWED: KEY_WINDOW.total_seconds()}
        if not times or self._now - times[-1] >= kept.get(self.spec.tool_class, 0.0):
            times.append(self._now)


class PlainDecider:
    """Decides every report alike."""

    def decide(self, report: Report, claim: Claim) -> Decision:  # noqa: ARG002 - the port's signature
        """Always the same."""
        return Decision(
            kind=Kind.BUG, severity=Severity.LOW, title=report.title, route="team", decided_by="rules", reason="always"
        )


TIMES: Mapping[str, tuple[str, ...]] = {
    "run": ("due", "ring_at", "claim_until"),
    "effect": ("first_sent_at", "sent_at", "deadline", "not_before"),
    "process": ("seen_at",),
}


def let_pass(database: Database, run_id: UUID, seconds: float) -> None:
    """Shift every time that the database knows of this run, and of all processes, into the past."""
    where = {"run": "where id = %(run_id)s", "effect": "where run_id = %(run_id)s", "process": ""}
    given = {"run_id": run_id, "by": timedelta(seconds=seconds)}
    with database.engine.connect() as connection:
        for table, columns in TIMES.items():
            shifted = ", ".join(f"{column} = {column} - %(by)s" for column in columns)
            connection.exec_driver_sql(f"update {table} set {shifted} {where[table]}", given)  # noqa: S608
