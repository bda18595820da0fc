"""Which effect comes next: a pure function of the decision and of what was made so far, the same in every attempt."""

from collections.abc import Sequence
from dataclasses import dataclass

from triage.model import Decision, Draft, Json, Made, Outlet, Outlets, Report, Severity, Stage
from triage.stages.comment import plan_comment, plan_instead
from triage.stages.create_ticket import plan_notice
from triage.stages.notify import follow_ups, plan_follow_up
from triage.stages.triage import plan_ticket

NO_SUCH_TOOL = Outlet("no-such-tool")
_WORST_FIRST = list(Severity)


@dataclass(frozen=True, slots=True)
class Step:
    """The effect with this number (from 1) of this stage."""

    stage: Stage
    number: int
    tool: str
    draft: Draft


def settled(decision: Decision, outlets: Outlets) -> Decision:
    """The decision with `same_as` only if we can comment there: the ticket is one of the set tracker's."""
    original = decision.same_as
    if original is None or (outlets.comments and original.tool == outlets.tracker.tool):
        return decision
    return decision.model_copy(update={"same_as": None})


def ticket(report: Report, decision: Decision, outlets: Outlets) -> Step:
    """The first step of every run: its ticket, or a comment on the one that an identical report has; see `settled`."""
    filed = plan_ticket(report, decision, outlets.tracker)
    if decision.same_as is None or outlets.comments is None:
        return Step(Stage.CREATE_TICKET, 1, outlets.tracker.tool, filed)
    return Step(Stage.CREATE_TICKET, 1, outlets.comments.tool, plan_comment(filed, decision.same_as))


def instead(stage: Stage, number: int, content: Json) -> Step | None:
    """What comes in place of a call that was refused for good: for a comment the ticket, else nothing.

    The ticket commented on may have been deleted or closed to comments meanwhile, and a report must not get lost by it.
    """
    planned = plan_instead(content) if stage is Stage.CREATE_TICKET else None
    return Step(stage, number + 1, *planned) if planned else None


def after(stage: Stage, number: int, decision: Decision, made: Sequence[Made], outlets: Outlets) -> Step | None:
    """What comes after this effect: the next notice, then the follow-ups; None at the end."""
    told = number if stage is Stage.NOTIFY else 0
    notice = None if stage is Stage.FOLLOW_UP else _notice(told + 1, decision, made, outlets)
    return notice or _follow_up(number + 1 if stage is Stage.FOLLOW_UP else 1, decision, made, outlets)


def _notice(number: int, decision: Decision, made: Sequence[Made], outlets: Outlets) -> Step | None:
    wanted = [outlet for outlet in outlets.notices if _concerns(outlet, decision)]
    if number > len(wanted):
        return None
    outlet = wanted[number - 1]
    return Step(Stage.NOTIFY, number, outlet.tool, plan_notice(decision, made, outlet))


def _follow_up(number: int, decision: Decision, made: Sequence[Made], outlets: Outlets) -> Step | None:
    always = [kind for kind in outlets.always if _concerns(outlets.follow_ups[kind], decision)]
    wanted = sorted(follow_ups(decision, always), key=lambda one: one.kind not in outlets.follow_ups)
    if number > len(wanted):
        return None
    follow_up = wanted[number - 1]
    outlet = outlets.follow_ups.get(follow_up.kind, NO_SUCH_TOOL)
    draft = plan_follow_up(decision, made, follow_up, outlet, outlets.slot())
    return Step(Stage.FOLLOW_UP, number, outlet.tool, draft)


def _concerns(outlet: Outlet, decision: Decision) -> bool:
    return outlet.least is None or _WORST_FIRST.index(decision.severity) <= _WORST_FIRST.index(outlet.least)
