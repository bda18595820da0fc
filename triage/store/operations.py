"""What people do to runs: retry, cancel, redrive, resolve, fork. Each is one statement and leaves an event."""

from datetime import timedelta
from uuid import UUID, uuid4

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import errors, pipeline
from triage.model import Checkpoint, Json, Sent, Stage, Submitted, digest
from triage.store import tables
from triage.store.database import Database, Row


class Operations:
    """All methods raise `RunNotFound` for an unknown id and `NotAllowed` where the run's state forbids it."""

    def __init__(self, database: Database, by: str) -> None:
        """`by` says who does it; it is kept in the run's events."""
        self._database = database
        self._by = by

    def retry(self, run_id: UUID) -> None:
        """Make a waiting run due now. A quarantine is not cut short."""
        row = self._change("retry", run_id)
        if not row.changed and not row.claimed:
            raise errors.NotAllowed(f"run {run_id} is {row.status}, only an active one can be retried; see redrive")

    def cancel(self, run_id: UUID, reason: str = "") -> bool:
        """Stop a run for good; True if an attempt was under way, which ends as it ends."""
        told = f"cancelled by {self._by}" + (f": {reason}" if reason else "")
        row = self._change("cancel", run_id, {"reason": told})
        if not row.changed and row.status != "cancelled":
            raise errors.NotAllowed(f"run {run_id} is {row.status}: there is nothing left to cancel")
        return bool(row.claimed)

    def redrive(self, run_id: UUID) -> None:
        """Give a dead or held run a new set of attempts."""
        row = self._change("redrive", run_id)
        if row.changed:
            return
        if row.status in {"dead", "held"} and row.unknown:
            raise errors.NotAllowed(
                f"run {run_id} waits for a person to find out whether its last call happened; "
                "say so with `triage resolve` instead of sending again"
            )
        raise errors.NotAllowed(f"run {run_id} is {row.status}, only a dead or held one can be redriven")

    def resolve(self, run_id: UUID, happened: Sent | None, fence: int | None = None) -> None:
        """Say what became of an unknown outcome: the object that was made, or None if nothing was (it is sent again).

        Give the `fence` of the attempt that was looked at wherever this may be repeated: by then the run may have gone
        on, and wait with another unknown outcome, which this answer does not fit.
        """
        found = {
            "fence": fence,
            "remote_id": happened.remote_id if happened else None,
            "remote_url": happened.remote_url if happened else None,
        }
        row = self._change("resolve", run_id, found)
        if not row.changed and row.status == "held" and row.wait and row.wait > timedelta():
            raise errors.NotAllowed(
                f"the call of run {run_id} may still be committed for {row.wait.total_seconds():.0f} s; look again then"
            )
        if not row.changed:
            raise errors.NotAllowed(f"run {run_id} is {row.status}: it has no unknown outcome to be resolved")

    def fork(self, run_id: UUID, stage: Stage) -> Submitted:
        """A new run of the same report from `stage` on, with what this run had before that stage.

        Its effects have keys of their own: a fork files its own ticket or notice.
        """
        key = digest({"fork_of": str(run_id), "stage": stage, "id": str(uuid4())})
        effect = self._effect(run_id, stage)
        params = {
            "run_id": run_id,
            "key": key,
            "checkpoint": pipeline.BEFORE[stage],
            "stage": stage,
            "effect_key": effect and pipeline.effect_key(key, stage, 1, effect.tool, effect.target),
            "detail": self._detail({"parent": str(run_id), "stage": stage}),
        }
        row = self._database.one("fork", params)
        if row is None:
            raise errors.RunNotFound(f"there is no run {run_id}")
        return Submitted(row.id, row.created)

    def _effect(self, run_id: UUID, stage: Stage) -> "sqlalchemy.Row[tuple[str, str]] | None":
        """The effect that the fork sends again, or None for the triage stage, which has none."""
        if pipeline.BEFORE[stage] is Checkpoint.RECEIVED:
            return None
        effect = tables.effect
        rows = self._database.read(
            sqlalchemy.select(effect.c.tool, effect.c.target).where(
                effect.c.run_id == run_id, effect.c.stage == stage, effect.c.number == 1
            )
        )
        if not rows:
            raise errors.NotAllowed(f"run {run_id} has not come to {stage} yet; fork it from an earlier stage")
        return rows[0]

    def _change(self, name: str, run_id: UUID, params: Json | None = None) -> Row:
        given = {"run_id": run_id, "detail": self._detail(params or {}), **(params or {})}
        row = self._database.one(name, given)
        if row is None:
            raise errors.RunNotFound(f"there is no run {run_id}")
        return row

    def _detail(self, detail: Json) -> Jsonb:
        return Jsonb({"by": self._by, **detail})
