"""The messages of a run: the chain of the stages that are still before it."""

from uuid import UUID

import celery
from celery import canvas

from triage import pipeline
from triage.model import Checkpoint, Stage


def task_name(stage: Stage) -> str:
    """The registered name of a stage's task."""
    return f"triage.{stage}"


def task_id(run_id: UUID, stage: Stage) -> str:
    """The same for every message of this run and stage, so that repeats are seen as one."""
    return f"{run_id}.{stage}"


def chain(app: celery.Celery, run_id: UUID, checkpoint: Checkpoint) -> canvas.Signature:
    """What is left to do for a run; it carries the run's id and nothing else."""
    return canvas.chain(*(_signature(app, run_id, stage) for stage in pipeline.stages_from(checkpoint)), app=app)


def _signature(app: celery.Celery, run_id: UUID, stage: Stage) -> canvas.Signature:
    return app.signature(task_name(stage), args=(str(run_id),), immutable=True, task_id=task_id(run_id, stage))
