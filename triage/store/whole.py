"""What a run's page shows beside its story: times of calls, asks of models, processes, traces, forks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy

from triage.model import Json
from triage.store.database import Database
from triage.store.runs import traces_of
from triage.store.tables import attempt, effect, process, reservation, run

FORKS = 20
ASKS = 100


@dataclass(frozen=True, slots=True)
class Call:
    """When an effect was first and last sent, when its deadline is, and until when nobody may ask what happened."""

    stage: str
    number: int
    key: str
    first_sent_at: datetime | None
    sent_at: datetime | None
    deadline: datetime | None
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class Ask:
    """One ask of a model. `cost` (micro-USD) is what was reserved until it is settled."""

    fence: int
    model: str
    prompt: str
    made_at: datetime
    settled_at: datetime | None
    cost: int
    requests: int | None
    input_tokens: int | None
    output_tokens: int | None
    answer: Json | None


@dataclass(frozen=True, slots=True)
class Whole:
    """The rest of a run. `processes` has the names of those that worked on it and are still known.

    `traces` are the ids (32 digits) of its caller's and its attempts' traces, in order.
    """

    traces: tuple[str, ...]
    forked_from: UUID | None
    forks: tuple[UUID, ...]
    claimed_by: UUID | None
    processes: dict[UUID, str]
    calls: tuple[Call, ...]
    asks: tuple[Ask, ...]

    @property
    def cost(self) -> int:
        """Micro-USD, what is not settled as reserved."""
        return sum(ask.cost for ask in self.asks)


def whole(database: Database, run_id: UUID) -> Whole:
    """Read it; a run that is not there has nothing. Raises StoreUnavailable."""
    read = database.read
    own = read(sqlalchemy.select(run.c.trace, run.c.forked_from, run.c.claimed_by).where(run.c.id == run_id))
    forks = read(sqlalchemy.select(run.c.id).where(run.c.forked_from == run_id).limit(FORKS)) if own else ()
    calls = read(sqlalchemy.select(*_CALL).where(effect.c.run_id == run_id).order_by(effect.c.stage, effect.c.number))
    asks = read(
        sqlalchemy.select(*_ASK).where(reservation.c.run_id == run_id).order_by(reservation.c.made_at).limit(ASKS)
    )
    tried = read(sqlalchemy.select(attempt.c.trace).where(attempt.c.run_id == run_id).order_by(attempt.c.fence))
    return Whole(
        traces=traces_of(own[0].trace if own else None, *(row.trace for row in tried)),
        forked_from=own[0].forked_from if own else None,
        forks=tuple(row.id for row in forks),
        claimed_by=own[0].claimed_by if own else None,
        processes={row.id: row.name for row in read(sqlalchemy.select(process.c.id, process.c.name))},
        calls=tuple(Call(*tuple(row)) for row in calls),
        asks=tuple(Ask(*tuple(row)) for row in asks),
    )


_CALL = (
    effect.c.stage,
    effect.c.number,
    sqlalchemy.func.encode(effect.c.key, "hex").label("key"),
    effect.c.first_sent_at,
    effect.c.sent_at,
    effect.c.deadline,
    effect.c.not_before,
)
_ASK = (
    reservation.c.fence,
    reservation.c.model,
    reservation.c.prompt,
    reservation.c.made_at,
    reservation.c.settled_at,
    sqlalchemy.func.coalesce(reservation.c.spent, reservation.c.reserved).label("cost"),
    reservation.c.requests,
    reservation.c.input_tokens,
    reservation.c.output_tokens,
    reservation.c.answer,
)
