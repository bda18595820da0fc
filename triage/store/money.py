"""Budgets for asking language models: money is reserved before it is spent, so no crash loop can pass one.

An ask goes through these moments, each a commit. A process may be killed between any two of them:

1. Before `reserve` commits: nothing was sent and nothing counts.
2. After `reserve`, before the request leaves, or after it and before its answer was read: nobody can tell which, so the
   reservation counts as spent, in full. It expires and is then shown as unaccounted, until a bill settles it.
   The run's next worker finds its own budget smaller by that much, and no answer. It asks again if there is room,
   else it decides without a model. So a run that kills every worker costs at most its own budget.
3. After the answer was read, before `settle` commits: the same; the answer is lost with the process.
4. After `settle`, before the stage is completed: the answer is kept with its cost. The next worker that asks the same
   question in this run is told `answered` and pays nothing.
5. After the stage was completed: the stage is passed, and nobody asks again.

Amounts are whole millionths of a US dollar (micro-USD). Days and months are those of UTC, by the database's clock; what
is settled the day after counts where it was reserved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from triage import errors
from triage.model import Json
from triage.model.money import Answered, Bill, Limits, NoRoom, Question, Reserved, Scope
from triage.store.database import Database

By: TypeAlias = Literal["attempt", "run", "source", "reporter", "day", "model", "prompt"]
SCOPES: tuple[Scope, ...] = ("run", "source", "day", "month", "total", "reporter", "asks")
"""In the order in which the statement takes them."""
CROWDED_TRIES = 3
"""A budget's last room may go in the instant between two looks; alone behind the lock this cannot happen twice."""
KEEP = timedelta(days=40)
"""How long what was taken out of the budgets of one day is kept."""
SETTLE_PATIENCE = timedelta(seconds=20)
"""How long it is tried to settle; after that the reservation stays as it is, which is dearer and never cheaper."""


@dataclass(frozen=True, slots=True)
class Spending:
    """All asks of one name: of an attempt (`run/fence`), a run, a source, a day, a model or a version of the prompt.

    A reporter is his source and a hash (`crm/0f3a…`), or its `nobody`: those who are not named.

    In micro-USD: `spent` was settled, `reserved` is under way, `unaccounted` was never settled and counts as spent.
    """

    name: str
    asks: int
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    spent: int
    reserved: int
    unaccounted: int


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """An ask whose cost nobody knows; `reserved` (micro-USD) counts as spent until it is settled."""

    id: UUID
    run_id: UUID
    fence: int
    source: str
    day: date
    model: str
    reserved: int
    made_at: datetime


class Money:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database, limits: Limits) -> None:
        """The limits are this process's; two processes with other ones each keep their own."""
        self._database = database
        self._limits = [getattr(limits, scope) for scope in SCOPES]

    def reserve(self, question: Question) -> Reserved | NoRoom | Answered:
        """Take the most that this can cost out of all budgets, in one statement.

        Raises:
            ProcessExpired: the run is another worker's by now; nothing may be asked for it here.
        """
        params = _asked(question) | {"reservation_id": uuid4(), "limits": self._limits, "alone": False}
        for _ in range(CROWDED_TRIES):
            row = self._database.one("money_reserve", params)
            if row is None:
                raise AssertionError("a function returns its row")
            if row.verdict != "crowded":
                return _verdict(row.verdict, row.answer, params["reservation_id"])
            params["alone"] = True
        raise AssertionError("whoever reserves alone sees all")

    def settle(self, reservation_id: UUID, bill: Bill, answer: Mapping[str, Any] | None = None) -> None:
        """Replace what was reserved by what it cost, and keep the answer for this run; the first settlement counts.

        A bill may be above what was reserved: what is owed is owed, and the budgets then show more than their limit.
        An unaccounted reservation is settled in the same way, when its bill is known.
        """
        params = {"reservation_id": reservation_id, "answer": Jsonb(answer) if answer is not None else None}
        self._database.all("money_settle", params | asdict(bill), SETTLE_PATIENCE)

    def spending(
        self, by: By, *, since: date = date.min, run_id: UUID | None = None, limit: int = 100
    ) -> list[Spending]:
        """Tokens and money since that day, the dearest first; of one run, if given."""
        params = {"by": by, "since": since, "run_id": run_id, "limit": limit}
        return [Spending(*row) for row in self._database.all("money_spending", params)]

    def taken(self, reporters: int = 20) -> dict[tuple[str, str], int]:
        """Micro-USD taken out of today's budgets, this month's, and the one for ever, by scope and name.

        Of the reporters only so many, the dearest.
        """
        rows = self._database.all("money_budgets", {"reporters": reporters})
        return {(row.scope, row.name): row.taken for row in rows}

    def prune(self) -> None:
        """Forget the budgets of days that are long over; the asks stay, as the books. Repeating it is harmless."""
        self._database.all("money_prune", {"days": KEEP.days})

    def unaccounted(self, limit: int = 100) -> Sequence[Unaccounted]:
        """What was reserved and never settled, the oldest first."""
        return [Unaccounted(*row) for row in self._database.all("money_unaccounted", {"limit": limit})]


def _asked(question: Question) -> Json:
    return {
        "run_id": question.run_id,
        "claim_id": question.claim_id,
        "fence": question.fence,
        "model": question.model[:200],
        "prompt": question.prompt[:200],
        "question": question.digest,
        "amount": question.worst,
        "lifetime": question.lifetime,
    }


def _verdict(verdict: str, answer: Json | None, reservation_id: UUID) -> Reserved | NoRoom | Answered:
    if verdict == "lost":
        raise errors.ProcessExpired("the run is another worker's by now, so no model is asked for it here")
    if verdict == "answered" and answer is not None:
        return Answered(answer)
    if verdict == "reserved":
        return Reserved(reservation_id)
    return NoRoom(next(scope for scope in SCOPES if scope == verdict))
