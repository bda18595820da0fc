"""The tally: what happened, added up by the minute, by the hour and since ever, so that nobody has to count it again.

The hot path writes nothing for it. A round of the leading worker adds what is new every few seconds, and whoever reads
adds what is not in it yet, in the same statement: numbers are exact at once, whether rounds are made or not.

A round is one statement. Killed before it commits, nothing was added and the mark stands where it stood; after it, the
mark is behind all that was added. Two rounds at once: the second waits for the first and adds nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from triage.store.database import Database, Row

Grain: TypeAlias = Literal["minute", "hour"]

STAGE_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The upper edges (seconds) between which attempts are counted; what takes longer is `+Inf`."""
FRESH_EDGES = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
"""The same for the time from a run's creation to its end."""
KINDS = ("run", "attempt", "seconds", "timeout", "lasted", "refusal", "effect", "decision", "model", "event")
"""What is counted; the table's comment in the migration says what each is told by."""
MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Total:
    """One running total: `kind` and what it is told by; `number` counts, `amount` adds up (seconds)."""

    kind: str
    name: str
    stage: str
    what: str
    number: int
    amount: float


class Tally:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def roll(self) -> int:
        """Add what is new; how many rows of the tally that was. May be done by anybody at any time."""
        row = self._database.one("tally_roll", {})
        return int(row.added) if row and row.added else 0

    def forget(self) -> None:
        """Drop the minutes and hours that no chart shows any more."""
        self._database.all("tally_forget", {"minutes": MINUTES_KEPT, "hours": HOURS_KEPT})

    def totals(self, kinds: Sequence[str] = KINDS) -> list[Total]:
        """Everything of these kinds that was ever counted; none of the numbers ever goes down."""
        return [Total(*row) for row in self._database.all("tally_totals", {"kinds": list(kinds)})]

    def series(
        self, grain: Grain, since: datetime, until: datetime, step: timedelta, kinds: Sequence[str]
    ) -> Sequence[Row]:
        """Rows of `at`, `kind`, `stage`, `what`, `number`, `amount`, for each interval in which anything happened.

        Of kind `model` there is only its cost (micro-USD). Minutes are kept for two days, hours for 400.
        """
        given = {"grain": grain, "since": since, "until": until, "step": step, "kinds": list(kinds)}
        return self._database.all("tally_series", given)
