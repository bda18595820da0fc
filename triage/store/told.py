"""What was decided about the tickets that we made, and what their tracker has said of them since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from triage.store.database import Database, Row


@dataclass(frozen=True, slots=True)
class Told:
    """About one ticket: for `kind` and `severity` what was `decided`, and the last word of the tracker (`said`).

    As long as people change nothing there, the last word is what was decided. `whole`: the tracker kept all that was
    filed, so that its type and priority were ours.
    """

    run_id: UUID
    decided: Mapping[str, str]
    said: Mapping[str, str]
    whole: bool


def told(database: Database, keys: Sequence[str]) -> dict[str, Told]:
    """By the keys (64 hexadecimal digits) of confirmed tickets; what is none of ours is not there."""
    rows = database.all("tracker_told", {"keys": [bytes.fromhex(key) for key in keys]})
    return {row.key: _told(row) for row in rows}


def _told(row: Row) -> Told:
    decided = {"kind": row.kind, "severity": row.severity}
    said = {"kind": row.told_kind or row.kind, "severity": row.told_severity or row.severity}
    return Told(row.run_id, decided, said, row.whole)
