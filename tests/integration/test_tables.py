"""The tables that the code reads, and the statements that it runs, fit the migrated schema."""

from importlib import resources

import psycopg
import pytest
import sqlalchemy
from psycopg import pq
from sqlalchemy.dialects import postgresql

from tests.support import databases
from triage.store import migrate
from triage.store.database import Database, statement
from triage.store.tables import metadata

NAMES = sorted(
    path.name.removesuffix(".sql") for path in resources.files("triage.store").joinpath("statements").iterdir()
)

INTERVAL = psycopg.adapters.types["interval"].oid


def typed(columns: dict[str, sqlalchemy.types.TypeEngine[object]]) -> dict[str, str]:
    """Each column's type as PostgreSQL writes it."""
    return {name: kind.compile(dialect=postgresql.dialect()) for name, kind in columns.items()}  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_a_table_has_the_columns_that_the_code_reads(database: Database, table: sqlalchemy.Table) -> None:
    """Names and types of all columns, and the primary key, are those of the migrated schema."""
    inspector = sqlalchemy.inspect(database.engine)
    found = {column["name"]: column["type"] for column in inspector.get_columns(table.name)}
    assert typed(found) == typed({column.name: column.type for column in table.columns})
    key = inspector.get_pk_constraint(table.name)["constrained_columns"]
    assert key == [column.name for column in table.primary_key]


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_fits_the_schema(database_url: str, name: str) -> None:
    """Postgres can plan the statement: every table, column and type that it names is there."""
    with psycopg.connect(databases.plain(database_url)) as connection:
        query = psycopg._queries.PostgresQuery(psycopg.adapt.Transformer(connection))
        query.convert(statement(name), Anything())
        types = [INTERVAL if parameter in {"interval", "longest"} else 0 for parameter in query._order or ()]
        prepared = connection.pgconn.prepare(b"it", query.query, types)
        assert prepared.status == pq.ExecStatus.COMMAND_OK, prepared.error_message.decode()


class Anything(dict[str, None]):
    """Parameters of every name."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> None:
        return None


def test_a_migrated_database_has_the_version_that_the_code_needs(database_url: str) -> None:
    """Migrating again changes nothing, and the version is the expected one."""
    assert migrate.version(database_url) == migrate.expected_version()
    assert migrate.migrate(database_url) == migrate.expected_version()
