"""Who did what: to runs, to tools, to the models in use. Entries are only ever added, each with what it records."""

from dataclasses import dataclass
from datetime import datetime

from triage.model import Json
from triage.store.database import Database

WORDS: dict[str, tuple[str, ...]] = {
    "runs": ("approved", "cancelled", "corrected", "denied", "forked", "redriven", "resolved", "retried"),
    "tools": ("closed", "disabled", "enabled", "opened"),
    "models": ("removed", "rolled back", "used"),
}
"""What can be done, by what it is done to."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last entry of a page; `kind` and `id` tell entries of one moment apart."""

    at: datetime
    kind: str
    id: int


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry. `subject` is a run's id, a tool's name or a model's version, as `kind` (run, tool, model) says.

    `who` is empty where no person did it, but workers together: a breaker that opened. `detail` is as it was recorded.
    """

    at: datetime
    kind: str
    id: int
    who: str
    what: str
    subject: str
    detail: Json

    @property
    def mark(self) -> Mark:
        """Where the next page begins, if this is the last one of its page."""
        return Mark(self.at, self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which entries: by whom (part of a name), what, about what (a key of `WORDS`), and when; empty is any.

    `until` is not included.
    """

    who: str = ""
    what: str = ""
    about: str = ""
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def page(self, asked: Asked, before: Mark | None = None, limit: int = 50) -> list[Deed]:
        """The newest first, from below `before` on."""
        params = {
            "who": asked.who,
            "what": asked.what,
            "about": asked.about,
            "since": asked.since,
            "until": asked.until,
            "at": before.at if before else None,
            "kind": before.kind if before else "",
            "id": before.id if before else 0,
            "limit": limit,
        }
        return [Deed(*row) for row in self._database.all("audit", params)]
