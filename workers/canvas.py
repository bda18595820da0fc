"""The messages of a run: the chain of the stages that are still before it."""

from typing import Any
from uuid import UUID

import celery

from triage import pipeline
from triage.model import Checkpoint, Stage


def task_name(stage: Stage) -> str:
    """The registered name of a stage's task."""
    return f"triage.{stage}"


def task_id(run_id: UUID, stage: Stage) -> str:
    """The same for every message of this run and stage, so that repeats are seen as one."""
    return f"{run_id}.{stage}"


def send(
    app: celery.Celery,
    run_id: UUID,
    checkpoint: Checkpoint,
    producer: Any,  # noqa: ANN401 - kombu's
    headers: dict[str, str] | None = None,
) -> None:
    """Send what is left to do for a run, as one message that carries the run's id and nothing else.

    What arrives is `chain(triage.si(run_id), create_ticket.si(run_id), notify.si(run_id))`, from the run's checkpoint
    on. It is put together here, because Celery takes as long again to do so.
    """
    first, *rest = pipeline.stages_from(checkpoint)
    app.send_task(
        task_name(first),
        (str(run_id),),
        task_id=task_id(run_id, first),
        chain=[_link(run_id, stage) for stage in reversed(rest)],
        queue=str(first),
        producer=producer,
        headers=headers,
    )


def _link(run_id: UUID, stage: Stage) -> dict[str, Any]:
    """An immutable signature of a stage's task, as Celery keeps it in a message."""
    return {
        "task": task_name(stage),
        "args": [str(run_id)],
        "kwargs": {},
        "options": {"task_id": task_id(run_id, stage)},
        "subtask_type": None,
        "immutable": True,
    }
