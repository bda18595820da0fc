"""Runs with decisions, as the triage stage leaves them, without a worker."""

from uuid import UUID

from psycopg.types.json import Jsonb

from tests.support.databases import query
from tests.support.site import report
from triage.store.database import Database
from triage.store.postgres import PostgresStore

TEXT = "insert into decision (run_id, kind, severity, decided_by, content) values (%s, %s, 'medium', %s, %s)"


def submitted(database: Database, **fields: object) -> UUID:
    """A run that nobody has worked on."""
    return PostgresStore(database).submit_many([report(**fields)], None)[0].run_id  # type: ignore[arg-type]


def decided(
    database: Database, kind: str = "bug", by: str = "nobody", versions: dict[str, str] | None = None, **fields: object
) -> UUID:
    """A run that somebody decided; `fields` are its report's."""
    run_id = submitted(database, **fields)
    told = {"kind": kind, "severity": "medium", "title": "t", "route": "triage", "decided_by": by, "reason": "so"}
    query(database, TEXT, run_id, kind, by, Jsonb(told | {"versions": versions or {}}))
    return run_id
