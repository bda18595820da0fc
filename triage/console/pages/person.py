"""What needs a person: leave, unknown outcomes, runs that gave up, other held runs."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage import errors
from triage.console.desk import desk, form, page
from triage.console.pages.bulk import MOST, show
from triage.console.plans import Plan
from triage.store.needs import LOOKED_AT

SHOWN = 100


def person(request: Request) -> Response:
    """All of it on one page."""
    at = desk(request)
    groups = at.needs.groups()
    return page(
        request,
        "person.html",
        approvals=at.services.approvals.asked(limit=SHOWN),
        holds=at.services.runs.holds(limit=SHOWN),
        groups=groups[:SHOWN],
        total_dead=sum(len(one.runs) for one in groups),
        looked_at=LOOKED_AT,
        held=at.needs.held(limit=SHOWN),
        shown=SHOWN,
        now=datetime.now(UTC),
    )


def redrive_group(request: Request) -> Response:
    """Ask before all runs of one group of dead letters are redriven: exactly those that have this fingerprint now."""
    sent = form(request)
    wanted = (sent.get("checkpoint"), sent.get("fingerprint"))
    groups = desk(request).needs.groups()
    group = next((one for one in groups if (one.checkpoint, one.fingerprint) == wanted), None)
    if group is None:
        raise errors.NotAllowed("no run of this group is left; load the page again")
    return show(request, Plan("redrive", group.runs[:MOST], len(group.runs) > MOST, "/person"))


ROUTES = [Route("/person", person), Route("/person/redrive", redrive_group, methods=["POST"])]
