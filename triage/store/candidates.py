"""What candidates for deciding said, for comparison. Nothing that is decided depends on it."""

from dataclasses import dataclass
from datetime import timedelta

from psycopg.types.json import Jsonb

from triage.model.candidate import Comparison
from triage.store.database import Database

MOST_PAIRS = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """So many runs were decided as `was`, and the candidate says `now`; equal where only another field differs."""

    candidate: str
    was: str
    now: str
    runs: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A shadow's comparisons: of `runs` it `agreed` with some and `failed` to decide some.

    Costs are in micro-USD, the candidate's and the current one's for the same runs; `errors` are up to three of them.
    """

    candidate: str
    runs: int
    agreed: int
    failed: int
    seconds_p50: float
    seconds_p95: float
    cost: int
    own_cost: int
    errors: list[str] | None


@dataclass(frozen=True, slots=True)
class Share:
    """The runs that a canary decided, or the current way ('').

    `nobody` were left to a person, `corrected` by one; `cost` is in micro-USD.
    """

    candidate: str
    runs: int
    nobody: int
    corrected: int
    cost: int


class Candidates:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def save(self, comparison: Comparison) -> None:
        """Keep what a candidate said of a run; of two attempts that of the later one."""
        decision = comparison.decision
        params = {
            "run_id": comparison.run_id,
            "candidate": comparison.candidate,
            "fence": comparison.fence,
            "was": comparison.was,
            "content": Jsonb(decision.model_dump(mode="json")) if decision else None,
            "agreed": comparison.agreed,
            "cost": comparison.cost,
            "seconds": comparison.seconds,
            "error": comparison.error or None,
        }
        self._database.all("candidate_save", params)

    def summaries(self, since: timedelta) -> list[Summary]:
        """The shadows' comparisons of that last time."""
        return [Summary(*row) for row in self._database.all("candidate_summary", {"since": since})]

    def pairs(self, since: timedelta) -> list[Pair]:
        """Where they differed, the most frequent first for each candidate."""
        return [Pair(*row) for row in self._database.all("candidate_pairs", {"since": since, "limit": MOST_PAIRS})]

    def shares(self, since: timedelta) -> list[Share]:
        """Who decided the runs that came in that last time."""
        return [Share(*row) for row in self._database.all("candidate_canary", {"since": since})]
