"""A migrated database of its own for every test, copied from a template."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import sqlalchemy

from tests.support import waiting
from triage.store import migrate
from triage.store.database import Database
from triage.store.postgres import PROCESS_TTL

TEMPLATE = "triage_template"


def make_template(server_url: str) -> str:
    """Migrate a database that others are copied from; `server_url` leads to any database of the server."""
    _administer(server_url, f"create database {TEMPLATE}")
    migrate.migrate(_beside(server_url, TEMPLATE))
    return server_url


@contextmanager
def copied(server_url: str) -> Iterator[str]:
    """The URL of a fresh copy of the template, dropped afterwards whoever still uses it."""
    name = f"test_{uuid4().hex[:12]}"
    _administer(server_url, f"create database {name} template {TEMPLATE}")
    try:
        yield _beside(server_url, name)
    finally:
        _administer(server_url, f"drop database {name} with (force)")


def plain(url: str) -> str:
    """The URL as psycopg wants it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def query(database: Database, text: str, *values: Any) -> Sequence[sqlalchemy.Row[Any]]:
    """Run SQL with positional parameters, in autocommit; rows if there are any."""
    with database.engine.connect() as connection:
        result = connection.exec_driver_sql(text, values or None)
        return result.all() if result.returns_rows else []


def value(database: Database, text: str, *values: Any) -> Any:
    """The first column of the first row."""
    return query(database, text, *values)[0][0]


def blocked(database: Database) -> bool:
    """Whether one of the product's statements waits for another transaction."""
    waits = "select count(*) from pg_stat_activity where application_name = 'triage' and wait_event_type = 'Lock'"
    return bool(value(database, f"{waits} and datname = current_database()"))


def wait_until_processes_can_die(database: Database) -> None:
    """Wait out the time after the server's start in which nobody is held for dead."""
    young = f"select pg_postmaster_start_time() > now() - interval '{PROCESS_TTL.total_seconds()} seconds'"
    waiting.until(lambda: not value(database, young), PROCESS_TTL.total_seconds() + 2, lambda: "the server stays young")


def _administer(server_url: str, command: str) -> None:
    with psycopg.connect(plain(server_url), autocommit=True) as connection:
        connection.execute(command)  # type: ignore[arg-type]


def _beside(server_url: str, name: str) -> str:
    return f"{server_url.rpartition('/')[0]}/{name}"
