"""What people say that decisions should have been: kept as labels, never acted upon.

A correction is one commit. A process killed before it has said nothing; after it, saying the same again changes
nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args
from uuid import UUID

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import errors
from triage.model import Json, Kind, Severity
from triage.store.database import Database, Row
from triage.store.tables import report, run, standing_correction

Field: TypeAlias = Literal["kind", "severity", "component", "route"]
"""The parts of a decision that can be corrected."""
Origin: TypeAlias = Literal["person", "tracker"]
"""Who says so: a person here, or a person in the tracker, by changing the ticket."""
FIELDS: tuple[Field, ...] = get_args(Field)
TRIES = 3
"""Two who correct the same field at once: whoever comes second looks again."""
WORDS = {"kind": tuple(Kind), "severity": tuple(Severity)}
LONGEST = {"component": 64, "route": 200}
"""Characters of what is free text, as in a decision."""
LONGEST_NAME = 200
BATCH = 500
"""Reports read at once; each may have 100 KB."""


@dataclass(frozen=True, slots=True)
class Change:
    """What stood in a field, and what stands now; an empty text is no component."""

    field: Field
    was: str
    now: str

    @property
    def changed(self) -> bool:
        """Whether it is not the same."""
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Lesson:
    """A report (as it came in, with whatever secrets are in it) and the kind that people say it is."""

    run_id: UUID
    kind: str
    report: Json
    created: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """How often one decider's decisions stand: `version` is that of its rules or model, empty where none was kept.

    `corrected` counts the runs of which any field is now another one; then come those of each field. What nobody
    corrected may still be wrong: perhaps nobody has looked.
    """

    decided_by: str
    version: str
    decided: int
    corrected: int
    kind: int
    severity: int
    component: int
    route: int


class Corrections:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def add(self, run_id: UUID, field: Field, value: str, *, by: str, origin: Origin) -> bool:
        """Say what a field should have been; False if that value already stands, corrected or as it was decided.

        Raises:
            InvalidCorrection: there is no such field, or it cannot have this value; see `checked`.
            RunNotFound: no run has this id.
            NotAllowed: nothing was decided yet.
        """
        return self.change(run_id, field, value, by=by, origin=origin).changed

    def change(self, run_id: UUID, field: str, value: str, *, by: str, origin: Origin) -> Change:
        """As `add`; returns what stood before as well."""
        named, name = checked(field, value), by[:LONGEST_NAME]
        detail = Jsonb({"by": name, "field": named, "now": value, "origin": origin})
        params = {"run_id": run_id, "field": named, "value": value, "by": name, "origin": origin, "detail": detail}
        for _ in range(TRIES):
            row = _decided(run_id, self._database.one("correct", params))
            if row.changed or row.before == value:
                return Change(named, str(row.before), value)
        raise errors.NotAllowed(f"others correct the {field} of run {run_id} at this moment; look at it again")

    def standing(self, run_id: UUID) -> dict[str, str]:
        """The last correction of each field; what nobody corrected is not there."""
        query = sqlalchemy.select(standing_correction.c.field, standing_correction.c.value)
        rows = self._database.read(query.where(standing_correction.c.run_id == run_id))
        return {row.field: row.value for row in rows}

    def lessons(self) -> Iterator[Lesson]:
        """Every run whose kind was corrected, the oldest first, with the kind that stands; in batches."""
        last = UUID(int=0)
        while rows := self._database.read(_LESSONS.where(standing_correction.c.run_id > last)):
            yield from (Lesson(row.run_id, row.value, row.content, row.created_at) for row in rows)
            last = rows[-1].run_id

    def summary(self, since: datetime | None = None) -> list[Record]:
        """For each decider and version what it decided of the runs that came in since then, and what was corrected."""
        return [Record(*row) for row in self._database.all("correction_summary", {"since": since})]


_LESSONS = (
    sqlalchemy.select(standing_correction.c.run_id, standing_correction.c.value, report.c.content, run.c.created_at)
    .join_from(standing_correction, report, report.c.run_id == standing_correction.c.run_id)
    .join(run, run.c.id == standing_correction.c.run_id)
    .where(standing_correction.c.field == "kind")
    .order_by(standing_correction.c.run_id)
    .limit(BATCH)
)


def checked(field: str, value: str) -> Field:
    """The field, if it can have this value: a kind, a severity, or up to 64 or 200 characters of free text.

    Raises:
        InvalidCorrection: names the field and says what it can be.
    """
    known = next((one for one in FIELDS if one == field), None)
    if known is None:
        raise errors.InvalidCorrection(f"{field[:40]!r} is no field of a decision; say one of {', '.join(FIELDS)}")
    if known in WORDS and value not in WORDS[known]:
        raise errors.InvalidCorrection(f"{known}: {value[:40]!r} is none of {', '.join(WORDS[known])}")
    if known in LONGEST:
        _check_text(known, value)
    return known


def _check_text(field: str, value: str) -> None:
    if len(value) > LONGEST[field] or not value.isprintable():
        raise errors.InvalidCorrection(f"{field}: up to {LONGEST[field]} characters, in one line")
    if field == "route" and not value.strip():
        raise errors.InvalidCorrection("route: is empty")


def _decided(run_id: UUID, row: Row | None) -> Row:
    if row is None:
        raise errors.RunNotFound(f"there is no run {run_id}")
    if not row.decided:
        raise errors.NotAllowed(f"run {run_id} is not decided yet: there is nothing to correct")
    return row
