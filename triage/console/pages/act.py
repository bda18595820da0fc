"""What a person does to one run. Each action leaves an event with its author."""

from collections.abc import Callable
from typing import get_args
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage import errors
from triage.console.desk import REFUSALS, back, desk, form, operations, page, visit
from triage.model import Kind, Sent, Severity, Stage
from triage.store.corrections import FIELDS, Corrections, Field

LONGEST = 1_000
LONGEST_VALUE = 200
VALUES: dict[str, tuple[str, ...]] = {"kind": tuple(Kind), "severity": tuple(Severity)}
"""The fields of a decision that have values of their own; the others are free."""


def ask(request: Request) -> Response:
    """What the action will do, and the form that does it."""
    what: str = request.path_params["what"]
    story = desk(request).services.runs.story(request.path_params["run_id"])
    known = {effect.stage for effect in story.effects}
    stages = [stage for stage in Stage if stage is Stage.TRIAGE or stage in known]
    corrected = Corrections(desk(request).services.database).standing(story.run.id) if what == "correct" else {}
    return page(
        request, f"ask_{what}.html", story=story, line=story.run, stages=stages, values=VALUES, corrected=corrected
    )


def retry(request: Request) -> Response:
    """Due now."""
    return _done(request, "Due now: a worker takes it up.", lambda run_id: operations(request).retry(run_id))


def cancel(request: Request) -> Response:
    """Stopped for good."""
    why = form(request).get("why")[:LONGEST]
    return _done(request, "Cancelled.", lambda run_id: operations(request).cancel(run_id, why))


def redrive(request: Request) -> Response:
    """A new set of attempts."""
    return _done(request, "It goes on with a new set of attempts.", lambda run_id: operations(request).redrive(run_id))


def resolve(request: Request) -> Response:
    """What became of an unknown outcome, for the attempt that was looked at."""
    sent = form(request)
    remote_id, link = sent.get("remote_id")[:LONGEST], sent.get("link")[:LONGEST]
    happened = Sent(remote_id, link) if sent.get("outcome") == "happened" else None
    if sent.get("outcome") not in {"happened", "did_not"}:
        return _failed(request, "Say whether it happened.")
    if happened and not remote_id:
        return _failed(request, "Say which object was made: its id in the other system.")
    if link and not link.startswith(("https://", "http://")):
        return _failed(request, "The address has to begin with https://.")
    fence = int(sent.get("fence")) if sent.get("fence").isdecimal() else None
    told = "Kept: it happened. The run goes on." if happened else "Kept: it did not happen. It is sent again."
    return _done(request, told, lambda run_id: operations(request).resolve(run_id, happened, fence))


def fork(request: Request) -> Response:
    """A new run of the same report."""
    stage = form(request).get("stage")
    if stage not in set(Stage):
        return _failed(request, "Say from which stage on.")
    try:
        forked = operations(request).fork(request.path_params["run_id"], Stage(stage))
    except REFUSALS as error:
        return _failed(request, str(error))
    return back(request, f"/runs/{forked.run_id}", f"Forked from {stage} on: this is the new run.")


def correct(request: Request) -> Response:
    """What the decision should have been; nothing that was done is changed by that."""
    sent, run_id = form(request), request.path_params["run_id"]
    given = {name: sent.get(name)[:LONGEST_VALUE] for name in get_args(Field) if sent.get(name)}
    if wrong := next((name for name in given if given[name] not in VALUES.get(name, (given[name],))), None):
        return _failed(request, f"{wrong} is one of {', '.join(VALUES[wrong])}.")
    corrections = Corrections(desk(request).services.database)
    try:
        changed = [
            name
            for name in FIELDS
            if name in given and corrections.add(run_id, name, given[name], by=visit(request).who, origin="person")
        ]
    except REFUSALS as error:
        return _failed(request, str(error))
    told = f"Corrected: {', '.join(f'{name} is {given[name]}' for name in changed)}." if changed else "Nothing was new."
    return back(request, f"/runs/{run_id}", told)


def _done(request: Request, told: str, act: Callable[[UUID], object]) -> Response:
    try:
        act(request.path_params["run_id"])
    except errors.NotAllowed as error:
        return _failed(request, str(error))
    return back(request, form(request).get("back") or f"/runs/{request.path_params['run_id']}", told)


def _failed(request: Request, told: str) -> Response:
    return back(request, f"/runs/{request.path_params['run_id']}", told, failed=True)


_ASKED = ("cancel", "redrive", "resolve", "fork", "correct")
_DONE = {"retry": retry, "cancel": cancel, "redrive": redrive, "resolve": resolve, "fork": fork, "correct": correct}
_RUN = "/runs/{run_id:uuid}"


def _asking(what: str) -> Callable[[Request], Response]:
    def asked(request: Request) -> Response:
        request.path_params["what"] = what
        return ask(request)

    return asked


ROUTES = [
    *(Route(f"{_RUN}/{what}", _asking(what), methods=["GET"]) for what in _ASKED),
    *(Route(f"{_RUN}/{what}", act, methods=["POST"]) for what, act in _DONE.items()),
]
