"""What a forked child becomes: a worker, or the process of somebody who submits or operates."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.crash import hooks
from tests.crash.app import app
from triage import errors
from triage.bootstrap import Services, services
from triage.client import Client
from triage.model import Sent, Stage

NOT_ALLOWED = 3
"""The exit status of an operator whose wish came too late."""
OPTIONS = ["--pool", "threads", "--without-mingle", "--without-gossip", "--loglevel", "INFO"]


def main(wish: dict[str, Any]) -> int:
    """Be what is wished; the exit status."""
    hooks.install()
    if wish["kind"] == "operator":
        return operate(wish["verb"], wish["given"])
    app.worker_main(arguments(wish))
    return 0


def arguments(wish: dict[str, Any]) -> list[str]:
    """The command line of `celery worker`."""
    return ["worker", "-n", f"{wish['name']}@%h", "--concurrency", str(wish["slots"]), *OPTIONS]


def operate(verb: str, given: dict[str, Any]) -> int:
    """Do one thing as a person or another service does it."""
    try:
        VERBS[verb](services(), **given)
    except errors.NotAllowed:
        return NOT_ALLOWED
    return 0


def _submit(mine: Services, **fields: Any) -> None:
    with Client(services=mine) as client:
        client.submit(**fields)


def _resolve(mine: Services, run_id: str, object_id: str | None, fence: int) -> None:
    sent = Sent(object_id) if object_id else None
    mine.operations("crash").resolve(UUID(run_id), sent, fence)


def _approve(mine: Services, number: int, digest: str) -> None:
    mine.approvals.decide(number, bytes.fromhex(digest), leave=True, by="crash")


def _cancel(mine: Services, run_id: str) -> None:
    mine.operations("crash").cancel(UUID(run_id), "no longer wanted")


def _redrive(mine: Services, run_id: str) -> None:
    mine.operations("crash").redrive(UUID(run_id))


def _fork(mine: Services, run_id: str, stage: str) -> None:
    mine.operations("crash").fork(UUID(run_id), Stage(stage))


VERBS: dict[str, Callable[..., None]] = {
    "submit": _submit,
    "resolve": _resolve,
    "approve": _approve,
    "cancel": _cancel,
    "redrive": _redrive,
    "fork": _fork,
}
