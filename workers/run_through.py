"""Carry a run through its stages in one slot.

A hop through the broker costs several times as much as a checkpoint. So after a stage's commit the task goes straight
on with the next stage, if this worker serves its queue; else the rest of the chain is sent. Spans, events and logs are
those of three tasks.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import celery
import structlog
from celery import signals

from triage import errors, telemetry, tracing
from triage.bootstrap import services
from triage.engine import Outcome
from triage.model import Claim, Stage
from triage.store.postgres import RETRY_BY_MESSAGE
from workers import canvas, trace

log = structlog.get_logger()

STORE_AWAY = timedelta(seconds=3)
"""After how long a message is tried again whose stage could not be saved, or claimed, because Postgres was away."""


class StageEnded(Exception):
    """The run is dead or held: the chain ends here, and Flower shows why."""


class Worker:
    """What is known of the worker that this process is; `controller` is set when it starts."""

    controller: Any = None

    @classmethod
    def send_event(cls, kind: str, **fields: object) -> None:
        """Tell Flower and others who listen."""
        dispatcher = getattr(getattr(cls.controller, "consumer", None), "event_dispatcher", None)
        if dispatcher is not None and dispatcher.enabled:
            dispatcher.send(kind, **fields)


def work(task: celery.Task, first: Stage, run_id: UUID) -> None:
    """Work on a stage and on those after it that this worker serves; leave the rest to the chain.

    A worker may die anywhere in here: every stage that was finished is found finished when the message comes again.
    """
    stage, inline = first, 0
    outcome = _run(task, stage, run_id, None)
    while (following := outcome.next_stage) and following in _served_here(task):
        if following is stage:  # its next effect
            outcome = _run(task, stage, run_id, outcome.next_claim)
            continue
        stage, inline = following, inline + 1
        with _as_task(task, stage, run_id) as told:
            outcome = told.outcome = _run(task, stage, run_id, outcome.next_claim)
    if outcome.retry_in is not None and timedelta() < outcome.retry_in <= RETRY_BY_MESSAGE:
        raise task.retry(countdown=outcome.retry_in.total_seconds())
    chain = task.request.chain or []
    task.request.chain = chain[: len(chain) - inline] if outcome.next_stage else None
    if outcome.what in {"dead", "held"} and not inline:
        raise StageEnded(outcome.why)


def _served_here(task: celery.Task) -> Collection[Stage]:
    """The stages whose queues this worker consumes."""
    served: Collection[Stage] = task.app.amqp.queues.consume_from
    return served


def _run(task: celery.Task, stage: Stage, run_id: UUID, claim: Claim | None) -> Outcome:
    """One stage. With Postgres away the message comes again; should that fail too, the relay rings."""
    mine = services()
    with trace.stage(task, run_id, stage), structlog.contextvars.bound_contextvars(run=str(run_id), stage=stage.value):
        try:
            outcome = mine.engine.run_stage(run_id, stage, mine.lease, claim=claim, carry_on=_served_here(task))
        except errors.StoreUnavailable as error:
            log.warning(telemetry.STAGE, outcome="store_away", why=str(error))
            tracing.failed("store_away")
            raise task.retry(countdown=STORE_AWAY.total_seconds(), exc=error) from error
        _log(outcome)
        trace.ended(outcome)
    return outcome


def _log(outcome: Outcome) -> None:
    say = log.info if outcome.what in {"finished", "passed"} else log.warning
    say(
        telemetry.STAGE,
        attempt=outcome.attempt,
        tool=outcome.tool,
        outcome=outcome.what,
        why=outcome.why,
        seconds=round(outcome.seconds, 4),
    )


class _Told:
    """Receives the outcome of an inline stage, for its events."""

    outcome: Outcome | None = None


@contextmanager
def _as_task(parent: celery.Task, stage: Stage, run_id: UUID) -> Iterator[_Told]:
    """Make an inline stage a task in the eyes of signals (so of traces) and events (so of Flower)."""
    task = parent.app.tasks[canvas.task_name(stage)]
    task_id, args, told, began = canvas.task_id(run_id, stage), (str(run_id),), _Told(), time.monotonic()
    task.push_request(
        id=task_id,
        args=args,
        kwargs={},
        root_id=parent.request.root_id,
        parent_id=parent.request.id,
        hostname=parent.request.hostname,
        delivery_info={"routing_key": stage.value, "exchange": ""},
    )
    signals.task_prerun.send(sender=task, task_id=task_id, task=task, args=args, kwargs={})
    _tell_start(task, task_id, parent)
    try:
        yield told
    finally:
        _tell_end(task_id, told.outcome, time.monotonic() - began)
        signals.task_postrun.send(
            sender=task, task_id=task_id, task=task, args=args, kwargs={}, retval=None, state=_state(told.outcome)
        )
        task.pop_request()


def _tell_start(task: celery.Task, task_id: str, parent: celery.Task) -> None:
    Worker.send_event(
        "task-received",
        uuid=task_id,
        name=task.name,
        args=repr(task.request.args),
        kwargs="{}",
        root_id=parent.request.root_id,
        parent_id=parent.request.id,
        retries=0,
        eta=None,
        expires=None,
    )
    Worker.send_event("task-started", uuid=task_id)


def _tell_end(task_id: str, outcome: Outcome | None, runtime: float) -> None:
    state = _state(outcome)
    if state == "SUCCESS":
        Worker.send_event("task-succeeded", uuid=task_id, result="None", runtime=runtime)
    elif state == "RETRY":
        Worker.send_event("task-retried", uuid=task_id, exception=outcome.why if outcome else "")
    else:
        Worker.send_event("task-failed", uuid=task_id, exception=repr(outcome and outcome.why), traceback="")


def _state(outcome: Outcome | None) -> str:
    if outcome is None or outcome.what in {"dead", "held"}:
        return "FAILURE"
    return "RETRY" if outcome.retry_in is not None else "SUCCESS"
