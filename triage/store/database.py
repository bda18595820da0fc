"""One Postgres database: statements by name, repeated when the connection breaks."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

import psycopg
import sqlalchemy
from opentelemetry.trace import SpanKind
from psycopg.rows import namedtuple_row
from sqlalchemy import exc

from triage import errors, telemetry, tracing

log = logging.getLogger(__name__)

TRANSIENT = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.TimeoutError,
    psycopg.OperationalError,  # a raw connection that cannot be opened fails with the driver's own error
    psycopg.InterfaceError,
)
"""Connection lost or refused, server shutting down, deadlock, pool exhausted: the outcome may be unknown."""

Row: TypeAlias = Any
"""A named tuple of the statement's columns."""

_OPTIONS = {
    "row_factory": namedtuple_row,
    "connect_timeout": 5,
    # Every statement goes by keys, so one plan fits all parameters; planning anew costs more than most of them take.
    "prepare_threshold": 1,
    "options": "-c plan_cache_mode=force_generic_plan -c jit=off "
    "-c statement_timeout=20s -c idle_in_transaction_session_timeout=20s",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "triage",
}
_TRACED = {telemetry.DB_SYSTEM: "postgresql"}
_PAUSES = (0.02, 0.1, 0.25, 0.5, 1.0)


@cache
def statement(name: str) -> str:
    """The text of `statements/NAME.sql`, without its comments."""
    text = resources.files("triage.store").joinpath("statements", f"{name}.sql").read_text("utf-8")
    return "\n".join(line.split("--")[0].rstrip() for line in text.splitlines()).strip()


class Database:
    """A pool of autocommitting connections.

    Every statement of the product can be repeated and recognises its own earlier success, so a statement whose
    connection broke is simply run again until `patience` is over.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        """Nothing is opened before the first statement, so this may be built before a fork."""
        self.engine = sqlalchemy.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=20,
            pool_use_lifo=True,  # few warm connections instead of many cool ones
            pool_reset_on_return=None,  # autocommit leaves nothing to roll back
            connect_args=_OPTIONS,
        )

    def all(self, name: str, params: Mapping[str, Any], patience: timedelta = timedelta(seconds=5)) -> Sequence[Row]:
        """Run a statement by name and return its rows.

        Raises:
            StoreUnavailable: it did not succeed within `patience`; whether it was committed is unknown.
        """
        text, give_up = statement(name), time.monotonic() + patience.total_seconds()
        for pause in (*_PAUSES, *([_PAUSES[-1]] * 1_000)):
            try:
                with tracing.child(name, SpanKind.CLIENT, _TRACED):
                    return self._once(text, params)
            except TRANSIENT as error:
                if time.monotonic() + pause > give_up:
                    raise errors.StoreUnavailable(f"Postgres did not answer ({name}): {_short(error)}") from error
                log.warning("statement_repeated", extra={"statement": name, "error": _short(error)})
                time.sleep(pause)
        raise AssertionError("unreachable")

    def one(self, name: str, params: Mapping[str, Any], patience: timedelta = timedelta(seconds=5)) -> Row | None:
        """As `all`, for a statement that returns one row or none."""
        rows = self.all(name, params, patience)
        return rows[0] if rows else None

    def read(self, query: sqlalchemy.Executable) -> Sequence[sqlalchemy.Row[Any]]:
        """Run a SQLAlchemy query.

        Raises:
            StoreUnavailable: Postgres did not answer.
        """
        try:
            with self.engine.connect() as connection:
                return connection.execute(query).all()
        except TRANSIENT as error:
            raise errors.StoreUnavailable(f"Postgres did not answer: {_short(error)}") from error

    def _once(self, text: str, params: Mapping[str, Any]) -> Sequence[Row]:
        """Straight to the driver, on a connection of the pool: half the cost of a statement in this process."""
        pooled = self.engine.raw_connection()
        connection: Any = pooled.driver_connection  # psycopg's
        try:
            cursor = connection.execute(text, params)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._translated(error, pooled) from error
        finally:
            pooled.close()

    def _translated(self, error: psycopg.Error, pooled: sqlalchemy.PoolProxiedConnection) -> exc.StatementError:
        """SQLAlchemy's error of the same kind. After a broken connection the others of the pool are broken as well."""
        broken = bool(getattr(pooled.driver_connection, "closed", True))
        if broken:
            pooled.invalidate(error)
            self.engine.dispose()
        return exc.DBAPIError.instance("", None, error, psycopg.Error, connection_invalidated=broken)

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def _short(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:300]
