"""Learned models by their versions, and which of them is in use.

Every change is one commit that adds the next row of the history. A process killed before it changed nothing; after it,
the change is complete: a model is never in use without being there. Workers look at the history now and then, so for
some seconds after a change two versions decide; each decision names its own.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import errors
from triage.model import Json
from triage.store.database import Database
from triage.store.runs import View
from triage.store.tables import model, model_use

TRIES = 3
"""Two who change it at once: whoever comes second looks again."""
SAVE_PATIENCE = timedelta(seconds=60)
"""How long it is tried to save a model: it may have 64 MB."""


class ModelView(View):
    """A stored model without its content, which has `size` bytes. `numbers` are what training said of it."""

    version: str
    size: int
    numbers: dict[str, Any]
    made_at: datetime
    made_by: str
    in_use: bool


class UseView(View):
    """One row of the history: after it `in_use` was in use, None for no stored model."""

    number: int
    what: str
    version: str | None
    in_use: str | None
    back_to: int | None
    by_whom: str
    why: str
    at: datetime


class Models:
    """All methods raise `StoreUnavailable` when Postgres does not answer."""

    def __init__(self, database: Database) -> None:
        """Reads and writes through the given pool."""
        self._database = database

    def in_use(self) -> str | None:
        """The version that decides now; None if none of the stored ones does."""
        last = self._last()
        return last.in_use if last else None

    def content(self, version: str) -> bytes:
        """The file of a model; raises NotAllowed if there is none with this version."""
        rows = self._database.read(sqlalchemy.select(model.c.content).where(model.c.version == version))
        if not rows:
            raise _no_such(version)
        return bytes(rows[0].content)

    def all(self) -> list[ModelView]:
        """The newest first."""
        return self._views(sqlalchemy.true())

    def get(self, version: str) -> ModelView:
        """One of them; raises NotAllowed if there is none with this version."""
        found = self._views(model.c.version == version)
        if not found:
            raise _no_such(version)
        return found[0]

    def history(self, limit: int = 100) -> list[UseView]:
        """What was in use, the latest first."""
        query = sqlalchemy.select(model_use).order_by(model_use.c.number.desc()).limit(limit)
        return [UseView.model_validate(row) for row in self._database.read(query)]

    def save(self, version: str, content: bytes, numbers: Json, *, by: str, use: bool = False, why: str = "") -> None:
        """Keep a model of up to 64 MB, and put it in use if wanted, in the same commit."""
        params = {"version": version, "content": content, "numbers": Jsonb(numbers), "by": by, "why": why}
        for _ in range(TRIES):
            last = self._last()
            wanted = use and not (last and last.in_use == version)
            row = self._database.one("model_save", params | _next(last, counted=wanted), SAVE_PATIENCE)
            if not wanted or (row and row.changed):
                return
        raise _crowded()

    def use(self, version: str, *, by: str, why: str = "") -> bool:
        """Put a stored model in use; False if it is in use already. Raises NotAllowed if it is not there."""
        for _ in range(TRIES):
            last = self._last()
            if self.get(version).in_use:
                return False
            if self._turn("used", version, _next(last), by, why):
                return True
        raise _crowded()

    def roll_back(self, *, by: str, why: str = "") -> str | None:
        """Use again what was in use before the present one: its version, or None if that was no stored model.

        Once more goes one further back, not forward again.

        Raises:
            NotAllowed: none is in use, or the one before was removed.
        """
        last = self._last()
        if last is None or last.in_use is None:
            raise errors.NotAllowed("no stored model is in use, so there is nothing to go back from")
        before = self._row(last.back_to) if last.back_to else None
        version, back_to = (before.in_use, before.back_to) if before else (None, None)
        if version is not None:
            self.get(version)
        if not self._turn("rolled back", version, {"number": last.number + 1, "back_to": back_to}, by, why):
            raise _crowded()
        return version

    def remove(self, version: str, *, by: str, why: str = "") -> None:
        """Delete a model for good; the history keeps its name. Raises NotAllowed if it is in use or not there."""
        for _ in range(TRIES):
            last = self._last()
            if self.get(version).in_use:
                raise errors.NotAllowed(f"{version} is in use; put another one in use first, or roll back")
            state = {"number": last.number + 1 if last else 1, "in_use": last and last.in_use}
            params = state | {"back_to": last and last.back_to, "version": version, "by": by, "why": why}
            if (row := self._database.one("model_remove", params)) and row.changed:
                return
        raise _crowded()

    def _turn(self, what: str, version: str | None, place: Json, by: str, why: str) -> bool:
        row = self._database.one("model_turn", place | {"what": what, "version": version, "by": by, "why": why})
        return bool(row and row.changed)

    def _last(self) -> UseView | None:
        return next(iter(self.history(1)), None)

    def _row(self, number: int) -> UseView:
        rows = self._database.read(sqlalchemy.select(model_use).where(model_use.c.number == number))
        return UseView.model_validate(rows[0])

    def _views(self, which: sqlalchemy.ColumnElement[bool]) -> list[ModelView]:
        latest = sqlalchemy.select(model_use.c.in_use).order_by(model_use.c.number.desc()).limit(1).scalar_subquery()
        columns = (model.c.version, model.c.numbers, model.c.made_at, model.c.made_by)
        size = sqlalchemy.func.octet_length(model.c.content).label("size")
        in_use = sqlalchemy.func.coalesce(model.c.version == latest, sqlalchemy.false()).label("in_use")
        query = sqlalchemy.select(*columns, size, in_use).where(which).order_by(model.c.made_at.desc(), model.c.version)
        return [ModelView.model_validate(row) for row in self._database.read(query)]


def _next(last: UseView | None, *, counted: bool = True) -> Json:
    """Where the next row of the history stands; nowhere if it is not `counted`."""
    if not counted:
        return {"number": None, "back_to": None}
    return {"number": last.number + 1 if last else 1, "back_to": last and last.number}


def _no_such(version: str) -> errors.NotAllowed:
    return errors.NotAllowed(f"there is no model {version}; see `triage models list`")


def _crowded() -> errors.NotAllowed:
    return errors.NotAllowed("somebody else changes what is in use at this moment; look again")
