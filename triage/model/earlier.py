"""Earlier reports that have tickets, as the search for duplicates reads them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from triage.model.report import Related


@dataclass(frozen=True, slots=True)
class Filed:
    """A report whose ticket is filed. `filed_at` is aware; pages of them are in its order, then in that of the ids."""

    run_id: UUID
    filed_at: datetime
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier report's ticket, with the beginning of that report's text, and how its kind was decided.

    `kind` is what a person last said, else what was decided; `decided_by` is `nobody` if nobody did.
    """

    ticket: Related
    body: str
    kind: str
    decided_by: str
    confidence: float
