"""The page of one run: why it stands where it stands, everything that happened, and what can be done."""

from datetime import UTC, datetime
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.console import told
from triage.console.desk import desk, page
from triage.console.waterfall import waterfall
from triage.model import EffectState, Status
from triage.pipeline import stages_from
from triage.store.corrections import Corrections
from triage.store.history import History
from triage.store.runs import RunStory
from triage.store.whole import whole

BODY_SHOWN = 4_000


def run(request: Request) -> Response:
    """Everything known of a run."""
    run_id: UUID = request.path_params["run_id"]
    services = desk(request).services
    story = services.runs.story(run_id)
    rest = whole(services.database, run_id)
    return page(
        request,
        "run.html",
        story=story,
        line=story.run,
        rest=rest,
        times={(one.stage, one.number): one for one in rest.calls},
        fall=waterfall(story, rest, datetime.now(UTC)),
        approvals=services.approvals.of_run(run_id),
        corrected=Corrections(services.database).standing(run_id),
        can=_possible(story),
        history=told.lines(History(services.database).of(run_id)),
        next_stage=next(iter(stages_from(story.run.checkpoint)), ""),
        body_shown=BODY_SHOWN,
        now=datetime.now(UTC),
    )


def report(request: Request) -> Response:
    """The whole text of the report, escaped."""
    run_id: UUID = request.path_params["run_id"]
    story = desk(request).services.runs.story(run_id)
    return page(request, "report.html", line=story.run, report=story.report)


def _possible(story: RunStory) -> dict[str, bool]:
    """Which actions the run's state allows; the statements have the last word."""
    status = story.run.status
    unknown = any(effect.state == EffectState.UNKNOWN for effect in story.effects)
    return {
        "retry": status is Status.ACTIVE,
        "cancel": status in {Status.ACTIVE, Status.HELD, Status.DEAD},
        "redrive": status in {Status.DEAD, Status.HELD} and story.waits_for_leave is None and not unknown,
        "resolve": status is Status.HELD and unknown,
        "approve": status is Status.HELD and story.waits_for_leave is not None,
        "correct": story.decision is not None,
        "fork": True,
    }


ROUTES = [Route("/runs/{run_id:uuid}", run), Route("/runs/{run_id:uuid}/report", report)]
