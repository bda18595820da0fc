"""What needs a person: runs that gave up, grouped by why, and runs held for another reason than leave or a hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy
from sqlalchemy import func

from triage.model import Checkpoint, EffectState
from triage.store.database import Database
from triage.store.tables import approval, effect, run

COUNTED = 1_000
LOOKED_AT = 10_000
"""Runs that gave up, the newest, that are grouped."""
_HELD: sqlalchemy.ColumnElement[str] = sqlalchemy.literal_column("'held'")
_DEAD: sqlalchemy.ColumnElement[str] = sqlalchemy.literal_column("'dead'")
"""Not parameters: one plan for all values could not use the index that holds only these."""
_VARIABLE = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "ID"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "'…'"),
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\b[A-Z][A-Z0-9]+-\d+\b"), "ID"),
    (re.compile(r"\d+(?:\.\d+)?"), "N"),
    (re.compile(r"\s+"), " "),
)


def fingerprint(reason: str) -> str:
    """A reason without what differs from run to run: addresses, ids, quoted texts, numbers; up to 300 characters.

    The status codes of HTTP stay: a 403 is another trouble than a 404.
    """
    kept = re.sub(r"\b([1-5]\d\d)(?= |:|$)", lambda found: f"\x00{_letters(found[1])}\x00", reason[:1_000])
    for pattern, name in _VARIABLE:
        kept = pattern.sub(name, kept)
    return re.sub("\x00([a-j]{3})\x00", lambda found: _digits(found[1]), kept).strip()[:300]


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that gave up at one checkpoint for reasons with one fingerprint; `example` is the newest one's."""

    checkpoint: Checkpoint
    fingerprint: str
    example: str
    runs: tuple[UUID, ...]
    newest: datetime
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A run that waits for a person for some other reason; a redrive lets it go on."""

    run_id: UUID
    source: str
    source_id: str
    reason: str
    created_at: datetime


class Needs:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads through the given pool."""
        self._database = database

    def count(self, most: int = COUNTED) -> int:
        """How many runs are held or gave up, counted up to `most` + 1."""
        inner = sqlalchemy.select(run.c.id).where(_needing()).limit(most + 1).subquery()
        return int(self._database.read(sqlalchemy.select(func.count()).select_from(inner))[0][0])

    def groups(self) -> list[Group]:
        """The newest runs that gave up, by checkpoint and fingerprint, the largest group first."""
        columns = (run.c.id, run.c.checkpoint, run.c.reason, run.c.created_at)
        query = sqlalchemy.select(*columns).where(run.c.status == _DEAD)
        rows = self._database.read(query.order_by(run.c.created_at.desc()).limit(LOOKED_AT))
        return sorted(_grouped(rows), key=lambda group: (-len(group.runs), group.fingerprint))

    def held(self, limit: int = 200) -> list[Held]:
        """Held runs that wait neither for leave nor for somebody to find out what happened, the newest first."""
        asked = sqlalchemy.exists().where(
            approval.c.run_id == run.c.id, approval.c.state == "pending", approval.c.expires_at > func.now()
        )
        unknown = sqlalchemy.exists().where(effect.c.run_id == run.c.id, effect.c.state == EffectState.UNKNOWN)
        query = (
            sqlalchemy.select(run.c.id.label("run_id"), run.c.source, run.c.source_id, run.c.reason, run.c.created_at)
            .where(run.c.status == _HELD, ~asked, ~unknown)
            .order_by(run.c.created_at.desc())
            .limit(limit)
        )
        return [Held(*tuple(row)) for row in self._database.read(query)]


def _needing() -> sqlalchemy.ColumnElement[bool]:
    return run.c.status.in_([_HELD, _DEAD])


def _grouped(rows: Sequence[sqlalchemy.Row[tuple[UUID, str, str, datetime]]]) -> list[Group]:
    """The rows come newest first."""
    found: dict[tuple[str, str], list[sqlalchemy.Row[tuple[UUID, str, str, datetime]]]] = {}
    for row in rows:
        found.setdefault((row.checkpoint, fingerprint(row.reason or "")), []).append(row)
    return [
        Group(
            Checkpoint(at), mark, some[0].reason, tuple(row.id for row in some), some[0].created_at, some[-1].created_at
        )
        for (at, mark), some in found.items()
    ]


def _letters(digits: str) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in digits)


def _digits(letters: str) -> str:
    return "".join(str(ord(letter) - ord("a")) for letter in letters)
