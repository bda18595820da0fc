"""What a run's messages and stages tell of themselves in traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import celery
from opentelemetry import context

from triage import telemetry, tracing
from triage.engine import Outcome
from triage.model import Stage
from workers import canvas

_SYSTEMS = {"redis": "redis", "rediss": "redis"}
WELL = frozenset({"finished", "passed", "not_claimed"})
"""Outcomes that nobody has to look at."""


@contextmanager
def of(parent: str | None) -> Iterator[None]:
    """Within, what is published carries the caller's trace; without a parent nothing changes."""
    kept = tracing.context_of(parent)
    token = context.attach(kept) if kept is not None else None
    try:
        yield
    finally:
        if token is not None:
            context.detach(token)


@contextmanager
def stage(task: celery.Task, run_id: UUID, name: Stage) -> Iterator[None]:
    """Within, a stage is worked on: its span says which run's it is, and which trace came before."""
    with tracing.stage(f"run/{canvas.task_name(name)}"):  # as Celery's instrumentation calls it
        tracing.link(task.request.get(tracing.LINK_HEADER))
        tracing.note(
            {
                telemetry.RUN: str(run_id),
                telemetry.STAGE_NAME: name.value,
                telemetry.MESSAGING_SYSTEM: _SYSTEMS.get(task.app.conf.broker_url.split(":")[0], "rabbitmq"),
                telemetry.MESSAGING_OPERATION: "process",
                telemetry.MESSAGING_DESTINATION: name.value,
            }
        )
        yield


def ended(outcome: Outcome) -> None:
    """Say how it went."""
    tracing.note({telemetry.ATTEMPT: outcome.attempt, telemetry.OUTCOME: outcome.what})
    if outcome.what not in WELL:
        tracing.failed(outcome.what)
