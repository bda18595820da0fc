"""Feedback: what people change on our tickets in the tracker says what the decision should have been.

A look lists our tickets that changed since the last one. Where exactly one kind (or severity) stands on a ticket and it
is not ours, that is a correction; two of them contradict each other and say nothing. What the tracker said before is
compared with, so that a correction that a person makes here afterwards stands until the ticket changes again.

Nothing is kept but the corrections. A process that begins to lead looks back over `LOOK_BACK`, and each later look
begins `OVERLAP` before the one before: a ticket that is seen twice adds nothing. So a change is missed only if no
worker ran for `LOOK_BACK`, and a process that is killed in a look loses nothing.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from triage import clock, errors, telemetry
from triage.model import Kind, Severity
from triage.model.tickets import Standing
from triage.ports import Tool
from triage.store.corrections import Corrections, Field
from triage.store.database import Database
from triage.store.told import Told, told

LOOK_BACK = timedelta(days=7)
OVERLAP = timedelta(hours=1)
"""More than the other system's clock differs from ours, and its index lags."""
MOST = 500
"""Tickets of one look; the next one goes on where it stopped."""
PATIENCE = timedelta(seconds=60)
WORDS: dict[Field, frozenset[str]] = {"kind": frozenset(Kind), "severity": frozenset(Severity)}
PREFIXES: dict[Field, str] = {"kind": "", "severity": "severity-"}
"""How the label is written on tickets; see `plan_ticket`."""
BY = "tracker"

log = structlog.get_logger()


@dataclass
class _Place:
    """How far a target was read: tickets that changed since then, from `after` on."""

    since: datetime
    began: datetime
    after: str = ""


class Feedback:
    """Looks at the tickets of one tracker; for one thread."""

    def __init__(self, tool: Tool, targets: Collection[str], database: Database) -> None:
        """Asks nothing yet."""
        self._tool = tool
        self._database = database
        self._corrections = Corrections(database)
        start = datetime.now(UTC)
        self._places = {target: _Place(start - LOOK_BACK, start) for target in sorted(targets)}

    def look(self) -> int:
        """Look once in every place; how many corrections are new. A place that cannot be asked is told in the log."""
        return sum(self._look(target, place) for target, place in self._places.items())

    def _look(self, target: str, place: _Place) -> int:
        before = place.after
        try:
            return self._read(target, place)
        except errors.TriageError as error:
            if place.after == before:
                place.after = ""  # the tracker may not know any more where we were
            log.warning(telemetry.FEEDBACK_FAILED, tool=self._tool.spec.name, target=target, why=str(error))
            return 0

    def _read(self, target: str, place: _Place) -> int:
        deadline, seen, added = clock.now() + PATIENCE.total_seconds(), 0, 0
        if not place.after:
            place.began = datetime.now(UTC)
        while seen < MOST:
            page = self._tool.changed(target, place.since, place.after, deadline)
            added += self._keep(page.items)
            seen += max(len(page.items), 1)
            place.after = page.after
            if not page.after:
                place.since = place.began - OVERLAP
                break
        return added

    def _keep(self, standing: Iterable[Standing]) -> int:
        by_key = {one.key: one for one in standing}
        known = told(self._database, list(by_key)) if by_key else {}
        return sum(self._correct(by_key[key], its, field) for key, its in known.items() for field in WORDS)

    def _correct(self, standing: Standing, its: Told, field: Field) -> bool:
        value = said(standing, field, its.decided[field], whole=its.whole)
        if value is None or value == its.said[field]:
            return False
        new = self._corrections.add(its.run_id, field, value, by=BY, origin="tracker")
        if new:
            log.info(telemetry.RELABELLED, run_id=str(its.run_id), field=field, was=its.said[field], now=value)
        return new


def said(standing: Standing, field: Field, ours: str, *, whole: bool = True) -> str | None:
    """What a ticket says that this field of its decision should be; None if it says nothing, or two things.

    Type and priority speak beside the labels: what is as we filed it says nothing against what is not. They do not
    speak where the tracker did not keep what we filed (`whole`).
    """
    prefix, words = PREFIXES[field], WORDS[field]
    labels = {label.casefold().removeprefix(prefix) for label in standing.labels if _prefixed(label, prefix)} & words
    own = (standing.kind if field == "kind" else standing.severity).casefold()
    stated = labels | ({own} & words if whole else set())
    others = stated - {ours}
    if not stated or len(labels) > 1 or len(others) > 1:
        return None
    return min(others, default=ours)


def _prefixed(label: str, prefix: str) -> bool:
    return label.casefold().startswith(prefix)
