"""Retry, cancel or redrive many runs: first what it will do to exactly which runs, then the deed, then its progress."""

from collections.abc import Callable
from uuid import UUID

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage import errors
from triage.console import filters
from triage.console.desk import back, desk, form, local_path, page, visit
from triage.console.gate import Form
from triage.console.jobs import Job
from triage.console.plans import Plan
from triage.model import Status
from triage.store.operations import Operations
from triage.store.search import Search

MOST = 10_000
"""Runs of one job."""
SAMPLE = 20
FITS: dict[str, frozenset[Status]] = {
    "retry": frozenset({Status.ACTIVE}),
    "cancel": frozenset({Status.ACTIVE, Status.HELD, Status.DEAD}),
    "redrive": frozenset({Status.DEAD, Status.HELD}),
}
"""The runs that each action changes; the others refuse it."""


def preview(request: Request) -> Response:
    """What would happen to the chosen runs, or to all that match; nothing happens yet."""
    sent = form(request)
    what = sent.get("what")
    if what not in FITS:
        return back(request, sent.get("back"), "Say what to do with the runs.", failed=True)
    runs, cut = _chosen(request, sent)
    if not runs:
        return back(request, sent.get("back"), "No run was chosen.", failed=True)
    return show(request, Plan(what, tuple(runs), cut, local_path(sent.get("back"))))


def show(request: Request, plan: Plan) -> Response:
    """The page that asks."""
    search, services = Search(desk(request).services.database), desk(request).services
    statuses = search.statuses(plan.runs)
    sample = list(plan.runs[:SAMPLE])
    return page(
        request,
        "bulk.html",
        plan=desk(request).plans.keep(plan),
        most=MOST,
        fit={str(status): count for status, count in statuses.items() if status in FITS[plan.what]},
        unfit={str(status): count for status, count in statuses.items() if status not in FITS[plan.what]},
        sample=services.runs.lines(ids=sample, limit=SAMPLE),
        titles=search.titles(sample),
    )


def start(request: Request) -> Response:
    """Do what was shown, in the background."""
    sent, at = form(request), desk(request)
    plan = at.plans.take(sent.get("plan"))
    act = _action(plan.what, at.services.operations(visit(request).who), sent.get("why")[:1_000])
    job = at.jobs.start(Job(plan.what, visit(request).who, len(plan.runs), plan.back), plan.runs, act)
    return back(request, f"/jobs/{job.id}")


def progress(request: Request) -> Response:
    """How far it is, and what it came to."""
    job = desk(request).jobs.get(request.path_params["job_id"])
    if job is None:
        raise errors.NotAllowed(
            "this console does not know the job: it was restarted since, or many others came. What was done is in the "
            "runs; those that are not done are as they were"
        )
    return page(request, "job.html", job=job)


def _chosen(request: Request, sent: Form) -> tuple[list[UUID], bool]:
    """The runs, and whether there may be more: a job takes only so many, and some filters look only so far back."""
    if sent.get("all"):
        asked = filters.read(QueryParams(sent.get("query")))
        if asked.wrong:
            raise errors.NotAllowed(f"the filter is wrong: {'; '.join(asked.wrong)}")
        search = Search(desk(request).services.database)
        way = search.way(asked.filter)
        found = search.ids(way, MOST + 1)
        return found[:MOST], len(found) > MOST or way.window > 0
    return list(dict.fromkeys(_ids(sent))), False


def _ids(sent: Form) -> list[UUID]:
    try:
        return [UUID(text) for text in sent.all("run")]
    except ValueError:
        raise errors.RunNotFound("one of the chosen runs has no id that could be one") from None


def _action(what: str, operations: Operations, why: str) -> Callable[[UUID], object]:
    if what == "cancel":
        return lambda run_id: operations.cancel(run_id, why)
    return operations.retry if what == "retry" else operations.redrive


ROUTES = [
    Route("/runs/bulk", preview, methods=["POST"]),
    Route("/runs/bulk/start", start, methods=["POST"]),
    Route("/jobs/{job_id:uuid}", progress),
]
