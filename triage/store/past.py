"""Past runs with what was decided, for deciding them again in dry run; nothing here changes anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from triage.model import Json
from triage.store.database import Database

BATCH = 200


@dataclass(frozen=True, slots=True)
class PastRun:
    """The fields of the report and of the decision, and by field what people say that it should have been."""

    run_id: UUID
    report: Json
    decision: Json
    corrected: dict[str, str]


class Past:
    """Raises `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def count(self, since: timedelta, most: int) -> int:
        """How many there are of them, at most `most`."""
        row = self._database.one("past_count", {"since": since, "most": most})
        return int(row.runs) if row else 0

    def decided(self, since: timedelta, limit: int) -> Iterator[PastRun]:
        """The newest `limit` runs that came in that last time and were decided, read a batch at a time."""
        place = {"before": "infinity", "before_id": UUID(int=2**128 - 1)}
        while limit > 0:
            rows = self._database.all("past_runs", {"since": since, "batch": min(BATCH, limit), **place})
            yield from (PastRun(row.id, row.report, row.decision, row.corrected or {}) for row in rows)
            if len(rows) < BATCH:
                return
            limit -= len(rows)
            place = {"before": rows[-1].created_at, "before_id": rows[-1].id}
