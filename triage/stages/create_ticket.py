"""Once the ticket is there, plan the notices that carry its link."""

from collections.abc import Sequence

from triage.model import Decision, Draft, Made, Outlet, Stage, ticket_of

AGAIN = "Reported again"


def plan_notice(decision: Decision, made: Sequence[Made], outlet: Outlet) -> Draft:
    """A notice for the people on the decision's route, under the run's first one in the same tool."""
    ticket, again = ticket_of(decision, made)
    title = f"{AGAIN}: {decision.title}" if again else decision.title
    first = next((one.sent.remote_id for one in made if one.stage is Stage.NOTIFY and one.tool == outlet.tool), "")
    content = {
        "text": f"[{decision.severity}] {decision.kind}: {title}",
        "link": ticket.remote_url or ticket.remote_id,
        "title": title,
        "kind": decision.kind,
        "severity": decision.severity,
        "component": decision.component,
        "thread": first,
    }
    target = outlet.routes.get(decision.route) or outlet.target or decision.route
    return Draft(target, {**outlet.content, **content})
