"""What others are to be told of runs: found by rounds in what the runs wrote anyway, kept until it was told.

One thing that happened goes through these moments. A process may be killed between any two of them:

1. It happened: the attempt or the event is committed. The runs know nothing of webhooks and pay nothing for them.
2. `find` commits: the call is written down and the mark moved, both or neither. Killed before: the next round finds it.
3. The call is made. Killed before or after it: it still waits, and the next round makes it, perhaps once more, with the
   same id; a receiver that filters by `webhook-id` sees it once.
4. `settle` commits: told, put off, or given up. It is never made again once it was told.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from triage.model import Json
from triage.model.lifecycle import Lifecycle
from triage.store.database import Database

State: TypeAlias = Literal["waiting", "told", "given_up"]

KEEP = timedelta(days=30)
"""How long it is known what was told."""


@dataclass(frozen=True, slots=True)
class Call:
    """Something that happened `at` a time (aware) and was not told yet; `attempts` were made."""

    webhook: str
    run_id: UUID
    what: Lifecycle
    occasion: str
    at: datetime
    content: Json
    attempts: int

    @property
    def id(self) -> str:
        """The same whenever it is told, to whomever: made of the run and of what happened to it."""
        return f"{self.run_id}-{self.what}-{self.occasion}"


@dataclass(frozen=True, slots=True)
class Counts:
    """How a webhook stands; `oldest` is when the oldest thing happened that waits, `error` the last one."""

    name: str
    waiting: int
    told: int
    given_up: int
    oldest: datetime | None
    error: str | None


class Outbox:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def enlist(self, name: str) -> None:
        """Let a webhook be known; a new one is told what happens from now on."""
        self._database.all("webhook_enlist", {"name": name})

    def find(self, name: str, events: Collection[Lifecycle]) -> int:
        """Write down what is new for it; how much that was. May be done by anybody at any time."""
        row = self._database.one("webhook_find", {"name": name, "events": [str(event) for event in events]})
        return int(row.found) if row else 0

    def due(self, name: str, limit: int) -> list[Call]:
        """What is to be told now, the oldest first."""
        rows = self._database.all("webhook_due", {"name": name, "limit": limit})
        return [
            Call(name, row.run_id, Lifecycle(row.what), row.occasion, row.at, row.content, row.attempts) for row in rows
        ]

    def settle(self, call: Call, state: State, *, error: str | None = None, wait: timedelta = timedelta()) -> None:
        """Save what came of an attempt; what still waits is due again after `wait`."""
        said = {"name": call.webhook, "run_id": call.run_id, "what": str(call.what), "occasion": call.occasion}
        self._database.all(
            "webhook_settle", said | {"attempts": call.attempts, "state": state, "error": error, "wait": wait}
        )

    def forget(self, names: Collection[str]) -> None:
        """Drop webhooks other than these, and what was told long ago."""
        self._database.all("webhook_forget", {"names": list(names), "keep": KEEP})

    def counts(self) -> list[Counts]:
        """How all webhooks stand, by name."""
        return [Counts(*row) for row in self._database.all("webhook_counts", {})]
