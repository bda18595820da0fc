"""Bring a database to the schema that this version needs."""

from importlib import resources

import sqlalchemy
from alembic import command, config, script
from alembic.runtime import migration

from triage import errors
from triage.store import database

_LOCK = 7_491_033_015
"""An advisory lock: two `triage migrate` at once must not run the same migration twice."""


def migrate(url: str) -> str:
    """Run what is missing, one process at a time; returns the schema's version.

    Raises:
        StoreUnavailable: Postgres did not answer.
    """
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
            command.upgrade(_settings(connection), "head")
    except database.TRANSIENT as error:
        raise errors.StoreUnavailable(f"Postgres did not answer: {error}") from error
    return expected_version()


def version(url: str) -> str | None:
    """The version of the schema that is there; None in an empty database."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            return migration.MigrationContext.configure(connection).get_current_revision()
    except database.TRANSIENT as error:
        raise errors.StoreUnavailable(f"Postgres did not answer: {error}") from error


def expected_version() -> str:
    """The version of the schema that this code needs."""
    head = script.ScriptDirectory.from_config(_settings(None)).get_current_head()
    if head is None:
        raise AssertionError("no migrations are shipped")
    return head


def _settings(connection: sqlalchemy.Connection | None) -> config.Config:
    settings = config.Config()
    settings.set_main_option("script_location", str(resources.files("triage.store").joinpath("migrations")))
    settings.attributes["connection"] = connection
    return settings
