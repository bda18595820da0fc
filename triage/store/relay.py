"""What the relay asks of the state: who leads, who died, what is due to be rung."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy

from triage import pipeline
from triage.model import Checkpoint, Stage
from triage.store.database import Database
from triage.store.postgres import PROCESS_TTL

LEAD = timedelta(seconds=2)
"""How long the relay's lease lasts without being renewed."""
FIRST_INTERVAL = timedelta(seconds=10)
"""After how long a rung run that nobody took is rung again; doubles with every ring."""
LONGEST_INTERVAL = timedelta(minutes=5)
ONE_TRACE = timedelta(minutes=15)
"""How long after it came in a run's messages go on in its caller's trace."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A run to be rung, where it goes on, and the traceparent of its caller or of its last attempt.

    What comes in `late` is only linked to that trace: a run that was held for a week makes no trace of a week.
    """

    run_id: UUID
    checkpoint: Checkpoint
    trace: str | None
    late: bool = False


class RelayStore:
    """Each method is one statement; any of them may be lost or repeated."""

    def __init__(self, database: Database, process_id: UUID) -> None:
        """`process_id` is the leader's id in the lease."""
        self._database = database
        self._process_id = process_id

    def lead(self) -> bool:
        """Take or keep the lease; False while another process's relay leads."""
        return self._database.one("lead", {"process_id": self._process_id, "lease": LEAD}) is not None

    def leads(self) -> bool:
        """Whether this process's relay leads now; nothing is taken or kept by asking."""
        query = "select from relay where process_id = :process_id and until > now()"
        return bool(self._database.read(sqlalchemy.text(query).bindparams(process_id=self._process_id)))

    def reap(self) -> list[str]:
        """Make the runs of dead processes due; the names of those processes."""
        return [row.name for row in self._database.all("reap", {"ttl": PROCESS_TTL})]

    def broker_lost(self, token: str) -> None:
        """If the broker is not the one that was rung before (`token` differs), make all that was rung due again."""
        self._database.all("broker_lost", {"token": token})

    def ring(self, room: Mapping[Stage, int]) -> list[Ring]:
        """Choose at most `room[stage]` due runs for each stage; they are not chosen again for a growing interval."""
        params = {
            "checkpoints": [pipeline.BEFORE[stage] for stage in room],
            "places": list(room.values()),
            "interval": FIRST_INTERVAL,
            "longest": LONGEST_INTERVAL,
            "fresh": ONE_TRACE,
        }
        rows = self._database.all("ring", params)
        return [Ring(row.id, Checkpoint(row.checkpoint), row.trace, row.late) for row in rows]
