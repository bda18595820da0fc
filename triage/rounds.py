"""What is done now and then about the other systems: learn what they know, and look for two objects with one key."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from triage import clock, errors, telemetry
from triage.model import Marked
from triage.ports import Tool
from triage.store.shared import SharedTools

LOOK_BACK = timedelta(days=1)
"""How far the sweep looks back."""
PATIENCE = timedelta(seconds=60)
"""For one tool's sweep, or its values."""

log = structlog.get_logger()


def learn(tools: Mapping[str, Tool], shared: SharedTools) -> int:
    """Ask every tool what its system knows, and keep it for the guards of all workers; how many answered."""
    return sum(_of_each(tools, lambda tool: _learn(tool, shared), telemetry.VALUES_FAILED))


def sweep(tools: Mapping[str, Tool], shared: SharedTools, look_back: timedelta = LOOK_BACK) -> int:
    """Look for objects that share a key; how many such keys are new.

    Each is a broken promise: it is kept, told in the log as an error, and shown until somebody has mended it there.
    """
    return sum(_of_each(tools, lambda tool: _sweep(tool, shared, look_back), telemetry.SWEEP_FAILED))


def _of_each(tools: Mapping[str, Tool], work: Callable[[Tool], int], failed: str) -> list[int]:
    """What came of each tool; one that cannot be asked does not keep the others from being asked."""
    found = []
    for tool in tools.values():
        try:
            found.append(work(tool))
        except errors.TriageError as error:
            log.warning(failed, tool=tool.spec.name, why=str(error))
    return found


def _learn(tool: Tool, shared: SharedTools) -> int:
    shared.save_values(tool.spec.name, tool.values(_deadline()))
    return 1


def _sweep(tool: Tool, shared: SharedTools, look_back: timedelta) -> int:
    by_key: dict[str, dict[str, Marked]] = defaultdict(dict)
    for marked in tool.marked(datetime.now(UTC) - look_back, _deadline()):
        by_key[marked.key][marked.remote_id] = marked
    return sum(_told(tool, shared, key, list(hits.values())) for key, hits in by_key.items() if len(hits) > 1)


def _told(tool: Tool, shared: SharedTools, key: str, hits: list[Marked]) -> bool:
    news = shared.save_duplicate(tool.spec.name, key, hits)
    if news:
        log.error(
            telemetry.DUPLICATE, tool=tool.spec.name, key=key, objects=[hit.remote_url or hit.remote_id for hit in hits]
        )
    return news


def _deadline() -> float:
    return clock.now() + PATIENCE.total_seconds()
