"""One Postgres database: statements by name, repeated when the connection breaks."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Any

import sqlalchemy
from sqlalchemy import exc

from triage import errors

log = logging.getLogger(__name__)

TRANSIENT = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
"""Connection lost or refused, server shutting down, deadlock, pool exhausted: the outcome may be unknown."""

_OPTIONS = {
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

    def all(
        self, name: str, params: Mapping[str, Any], patience: timedelta = timedelta(seconds=5)
    ) -> Sequence[sqlalchemy.Row[Any]]:
        """Run a statement by name and return its rows.

        Raises:
            StoreUnavailable: it did not succeed within `patience`; whether it was committed is unknown.
        """
        text, give_up = statement(name), time.monotonic() + patience.total_seconds()
        for pause in (*_PAUSES, *([_PAUSES[-1]] * 1_000)):
            try:
                return self._once(text, params)
            except TRANSIENT as error:
                if time.monotonic() + pause > give_up:
                    raise errors.StoreUnavailable(f"Postgres did not answer ({name}): {_short(error)}") from error
                log.warning("statement_repeated", extra={"statement": name, "error": _short(error)})
                time.sleep(pause)
        raise AssertionError("unreachable")

    def one(
        self, name: str, params: Mapping[str, Any], patience: timedelta = timedelta(seconds=5)
    ) -> sqlalchemy.Row[Any] | None:
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

    def _once(self, text: str, params: Mapping[str, Any]) -> Sequence[sqlalchemy.Row[Any]]:
        with self.engine.connect() as connection:
            result = connection.exec_driver_sql(text, dict(params))
            return result.all() if result.returns_rows else []

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def _short(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0][:300]
