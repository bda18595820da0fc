"""What waits for a person's leave, and giving or denying it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import errors
from triage.model import Stage, Status
from triage.store.database import Database
from triage.store.runs import View
from triage.store.tables import approval, effect, run


class ApprovalView(View):
    """One effect that may not be sent without leave. `digest` is of exactly what `content` and `target` say.

    `said` is who said what, in order: `by`, `at`, `leave`, `why`. `state` is pending, approved or denied; a pending one
    may have expired. `used_at` is when it was first relied on.
    """

    id: int
    run_id: UUID
    stage: Stage
    number: int
    tool: str
    target: str
    content: dict[str, Any]
    digest: bytes
    why: str
    people: int
    state: str
    expired: bool
    said: list[dict[str, Any]]
    asked_at: datetime
    expires_at: datetime
    used_at: datetime | None


_VIEW = sqlalchemy.select(
    approval,
    (approval.c.expires_at <= sqlalchemy.func.now()).label("expired"),
    effect.c.stage,
    effect.c.number,
    effect.c.tool,
    effect.c.target,
    effect.c.content,
).select_from(approval.join(effect, effect.c.key == approval.c.effect_key).join(run, run.c.id == approval.c.run_id))


class Approvals:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def asked(self, *, pending: bool = True, limit: int = 100) -> list[ApprovalView]:
        """The newest first; only those that wait for somebody, or all."""
        query = _VIEW.order_by(approval.c.asked_at.desc(), approval.c.id.desc()).limit(limit)
        waiting = (approval.c.state == "pending") & (run.c.status == Status.HELD)
        query = query.where(waiting) if pending else query
        return [ApprovalView.model_validate(row) for row in self._database.read(query)]

    def of_run(self, run_id: UUID) -> list[ApprovalView]:
        """All that was ever asked for a run, in order."""
        rows = self._database.read(_VIEW.where(approval.c.run_id == run_id).order_by(approval.c.id))
        return [ApprovalView.model_validate(row) for row in rows]

    def get(self, approval_id: int) -> ApprovalView:
        """One of them; raises NotAllowed if there is none with this number."""
        rows = self._database.read(_VIEW.where(approval.c.id == approval_id))
        if not rows:
            raise errors.NotAllowed(f"there is no approval {approval_id}; see `triage approvals list`")
        return ApprovalView.model_validate(rows[0])

    def key(self, approval_id: int) -> bytes:
        """The key of the effect that it is about; raises NotAllowed if there is none with this number."""
        rows = self._database.read(sqlalchemy.select(approval.c.effect_key).where(approval.c.id == approval_id))
        if not rows:
            raise errors.NotAllowed(f"there is no approval {approval_id}; see `triage approvals list`")
        return bytes(rows[0].effect_key)

    def decide(self, approval_id: int, digest: bytes, *, leave: bool, by: str, why: str = "") -> str:
        """Say yes or no to the request with this digest: then it is approved, denied, or pending (others are needed).

        Raises:
            NotAllowed: it is decided, expired, about another request by now, or this person has spoken.
        """
        denial = f"{by} denied leave" + (f": {why}" if why else "")
        said = Jsonb({"by": by, "leave": leave, "why": why})
        params = {"id": approval_id, "digest": digest, "leave": leave, "by": by, "said": said, "denial": denial}
        row = self._database.one("approval_decide", params)
        if row is None:
            raise errors.NotAllowed(f"there is no approval {approval_id}; see `triage approvals list`")
        if not row.changed:
            raise errors.NotAllowed(f"approval {approval_id} {_obstacle(row)}")
        return str(row.new_state)


def _obstacle(row: Any) -> str:  # noqa: ANN401 - a row
    if row.state != "pending":
        return f"is {row.state} already"
    if not row.same:
        return "is about another request by now: look at it again"
    if row.expired:
        return "has expired; `triage redrive` the run to ask again"
    return "has your word already: it needs somebody else's" if row.spoken else f"is of a run that is {row.run_status}"
