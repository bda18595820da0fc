"""Once people are told, plan the follow-ups: those that are always wanted, and those that the decision proposed."""

from collections.abc import Sequence

from triage.model import Decision, Draft, FollowUp, Made, Outlet, ticket_of


def follow_ups(decision: Decision, always: Sequence[str]) -> tuple[FollowUp, ...]:
    """All of them, in order."""
    return (*(FollowUp(kind=kind) for kind in always), *decision.follow_ups)


def plan_follow_up(decision: Decision, made: Sequence[Made], wanted: FollowUp, outlet: Outlet, start: str) -> Draft:
    """Its arguments are the decision's, so the guards look at each of them; `start` is for those that name none."""
    ticket, _ = ticket_of(decision, made)
    about = {
        "follow_up": wanted.kind,
        "link": ticket.remote_url or ticket.remote_id,
        "severity": decision.severity,
        "title": decision.title,
        "text": f"Review of the {decision.severity} {decision.kind}: {decision.title}",
        "start": start,
    }
    return Draft(outlet.target or wanted.kind, {**about, **outlet.content, **wanted.arguments})
