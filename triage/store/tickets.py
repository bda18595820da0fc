"""Earlier reports that have tickets, for the search for duplicates. Everything here only reads.

What is read is what other runs committed, so a worker that dies in here leaves nothing behind, and the next one reads
anew; it may then find more tickets than the first.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import exc

from triage import errors
from triage.model import Json, Prints, Related
from triage.model.earlier import Earlier, Filed
from triage.store.database import Database, Row

QUICK = timedelta(seconds=0.5)
"""How long a look-up is tried: whoever decides goes on without it."""
LAG = timedelta(seconds=2)
"""How far behind the newest tickets are read, so that none is committed later into what was read before."""


class Tickets:
    """Both methods raise `StoreUnavailable` when Postgres does not answer or cannot do it."""

    def __init__(self, database: Database, recent: timedelta, may_link: Callable[[str], bool]) -> None:
        """`recent` is how far back tickets count as similar; an address that `may_link` refuses is left out."""
        self._database = database
        self._recent = recent
        self._may_link = may_link

    def earlier(self, run_id: UUID, prints: Prints, similar: dict[UUID, float]) -> list[Earlier]:
        """The earliest tickets with an equal print, text before trace, and of the runs in `similar` those with tickets.

        The latter come with the likeness given for them, the likest first.
        """
        params = {"run_id": run_id, "text": prints.text, "trace": prints.trace, "similar": list(similar)}
        found = [self._earlier(row, similar) for row in self._read("earlier", params)]
        order = ("text", "trace", "similar")
        return sorted(found, key=lambda one: (order.index(one.ticket.why), -one.ticket.likeness, one.ticket.run_id))

    def filed(self, after: Filed | None, before: Filed | None, limit: int) -> list[Filed]:
        """Reports whose tickets were filed after and before these, the newest first; without them: recently, until now.

        Bodies are cut to what is compared.
        """
        params = {
            "after": after and after.filed_at,
            "after_id": after and after.run_id,
            "before": before and before.filed_at,
            "before_id": before and before.run_id,
            "recent": self._recent,
            "lag": LAG,
            "limit": limit,
        }
        return [Filed(row.run_id, row.filed_at, row.title, row.body) for row in self._read("filed", params)]

    def _read(self, name: str, params: Json) -> Sequence[Row]:
        try:
            return self._database.all(name, params, QUICK)
        except exc.SQLAlchemyError as error:  # also what only a person can mend: no decision depends on this
            raise errors.StoreUnavailable(f"{name}: {error}"[:500]) from error

    def _earlier(self, row: Row, similar: dict[UUID, float]) -> Earlier:
        ticket = Related(
            run_id=row.run_id,
            tool=row.tool,
            target=row.target[:500],
            ticket=row.remote_id[:500],
            url=row.remote_url if len(row.remote_url) <= 2_000 and self._may_link(row.remote_url) else "",  # noqa: PLR2004
            title=row.title,
            likeness=min(similar.get(row.run_id, 0.0), 1.0) if row.why == "similar" else 1.0,
            why=row.why,
        )
        return Earlier(ticket, row.body or "", row.kind, row.decided_by, row.confidence)
