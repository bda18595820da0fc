"""The tasks: three stages and the way in by name. Each calls one function; what it does is decided in `triage`."""

from typing import Any
from uuid import UUID

import celery

from triage.bootstrap import services
from triage.errors import StoreUnavailable
from triage.model import Report, Stage
from triage.tracing import traceparent
from workers import run_through
from workers.app import app

_STAGE = {"bind": True, "max_retries": None, "throws": (run_through.StageEnded,)}


@app.task(name="triage.triage", **_STAGE)
def triage(self: celery.Task, run_id: str) -> None:
    """Decide what the report is."""
    run_through.work(self, Stage.TRIAGE, UUID(run_id))


@app.task(name="triage.create_ticket", **_STAGE)
def create_ticket(self: celery.Task, run_id: str) -> None:
    """File the ticket."""
    run_through.work(self, Stage.CREATE_TICKET, UUID(run_id))


@app.task(name="triage.notify", **_STAGE)
def notify(self: celery.Task, run_id: str) -> None:
    """Tell people."""
    run_through.work(self, Stage.NOTIFY, UUID(run_id))


@app.task(name="triage.follow_up", **_STAGE)
def follow_up(self: celery.Task, run_id: str) -> None:
    """Do what the decision proposed on top, as far as the guards allow it."""
    run_through.work(self, Stage.FOLLOW_UP, UUID(run_id))


@app.task(name="triage.submit", max_retries=None, autoretry_for=(StoreUnavailable,), default_retry_delay=5)
def submit(**fields: Any) -> None:  # noqa: ANN401 - validated by Report
    """Accept a report from a service that has only the broker; an invalid one fails with the field's name."""
    services().store.submit_many([Report.parse(fields)], traceparent())
