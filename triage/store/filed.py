"""Which tickets are ours, for the guard of the comments: a read of one row, by the run that filed the ticket."""

from uuid import UUID

import sqlalchemy

from triage.model import EffectState, Stage
from triage.store.database import Database
from triage.store.tables import effect


def filed(database: Database, run_id: UUID, tool: str, place: str, ticket: str) -> bool:
    """Whether a confirmed effect of this run made this ticket with this tool; raises `StoreUnavailable`."""
    query = sqlalchemy.select(effect.c.key).where(
        effect.c.run_id == run_id,
        effect.c.stage == Stage.CREATE_TICKET,
        effect.c.state == EffectState.CONFIRMED,
        effect.c.tool == tool,
        effect.c.target == place,
        effect.c.remote_id == ticket,
    )
    return bool(database.read(query))
