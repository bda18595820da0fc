"""What the guards of all workers share: switches, breakers, token buckets, and what the other systems know."""

import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta

import sqlalchemy
from psycopg.types.json import Jsonb

from triage import clock
from triage.model import LiveValues, Marked, Rate, ToolState
from triage.store import tables
from triage.store.database import Database, Row

FRESH = 0.5
"""Seconds for which a copy counts: a switch takes effect everywhere within that time."""
VALUES_FRESH = 30.0
QUICK = timedelta(seconds=1)
"""How long a statement is tried: a guard that cannot ask lets nothing out, and the run waits."""
_KINDS = ("targets", "labels", "components", "users")


@dataclass
class _Copy:
    """What was read last; `at` is in seconds of `clock.now()`."""

    at: float = float("-inf")
    states: dict[str, ToolState] = field(default_factory=dict)


class SharedTools:
    """Implements `ports.SharedState` for all threads of a process, with a copy that is at most half a second old."""

    def __init__(self, database: Database) -> None:
        """Reads nothing yet."""
        self._database = database
        self._copy = _Copy()
        self._lock = threading.Lock()
        self._values: dict[str, tuple[float, LiveValues]] = {}

    def tool(self, name: str) -> ToolState:
        """What is known of a tool; raises StoreUnavailable when it cannot be read."""
        copy = self._fresh()
        state = copy.states.get(name)
        if state is None:
            return ToolState()
        passed = timedelta(seconds=clock.now() - copy.at)
        return replace(state, open_for=max(state.open_for - passed, timedelta())) if state.open_for else state

    def failed(self, name: str, *, error: str, threshold: int, cool_down: timedelta) -> None:
        """Count a call that failed; see `ports.SharedState`."""
        self._change("tool_failed", tool=name, error=error[:500], threshold=threshold, cool_down=cool_down)

    def succeeded(self, name: str) -> None:
        """Forget the failures and close the breaker."""
        self._change("tool_succeeded", tool=name)

    def probe(self, name: str, lifetime: timedelta) -> bool:
        """Whether this caller may try a tool whose breaker has cooled down."""
        return self._database.one("tool_probe", {"tool": name, "lifetime": lifetime}, QUICK) is not None

    def take(self, bucket: str, rate: Rate) -> timedelta:
        """Take one call, or say how long until there is one."""
        params = {"name": bucket[:300], "calls": rate.calls, "seconds": rate.per.total_seconds()}
        row = self._database.one("bucket_take", params, QUICK)
        return row.wait if row else timedelta()

    def block(self, bucket: str, wait: timedelta) -> None:
        """Let nobody take from this bucket for a while."""
        self._database.all("bucket_block", {"name": bucket[:300], "wait": wait}, QUICK)

    def values(self, name: str) -> LiveValues:
        """What a tool's system knew when it was asked last, at most half a minute ago as seen from the database."""
        at, values = self._values.get(name, (float("-inf"), LiveValues()))
        if clock.now() - at > VALUES_FRESH:
            values = self._read_values(name)
            self._values[name] = (clock.now(), values)
        return values

    def save_values(self, name: str, values: LiveValues) -> None:
        """Keep what a tool's system knows now."""
        content = {kind: None if (its := getattr(values, kind)) is None else sorted(its) for kind in _KINDS}
        self._database.all("values_save", {"tool": name, "content": Jsonb(content)})

    def save_duplicate(self, name: str, key: str, hits: list[Marked]) -> bool:
        """Keep that several objects carry one key; True if that is news."""
        params = {"tool": name, "key": key, "remote_ids": sorted(hit.remote_id for hit in hits)}
        return self._database.one("duplicate_save", params) is not None

    def _read_values(self, name: str) -> LiveValues:
        table = tables.tool_values
        rows = self._database.read(sqlalchemy.select(table.c.content).where(table.c.tool == name))
        known = rows[0].content if rows else {}
        return LiveValues(**{kind: None if known.get(kind) is None else frozenset(known[kind]) for kind in _KINDS})

    def _change(self, statement: str, **params: object) -> None:
        self._database.all(statement, params, QUICK)
        self._copy = _Copy()  # this process sees its own change at once

    def _fresh(self) -> _Copy:
        copy = self._copy
        if clock.now() - copy.at <= FRESH:
            return copy
        with self._lock:  # the first one reads for all that wait
            if clock.now() - self._copy.at > FRESH:
                self._copy = self._read()
            return self._copy

    def _read(self) -> _Copy:
        asked = clock.now()
        rows = self._database.all("tool_states", {}, timedelta())
        return _Copy(asked, {row.tool: _state(row) for row in rows})


def _state(row: Row) -> ToolState:
    return ToolState(row.switched_off or "", row.failures, row.tripped, row.open_for or timedelta())
