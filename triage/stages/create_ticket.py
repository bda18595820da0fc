"""Once the ticket is there, plan the notice that carries its link."""

from triage.model import Decision, Draft, Sent


def plan_notice(decision: Decision, ticket: Sent) -> Draft:
    """The notice for the people on the decision's route."""
    link = ticket.remote_url or ticket.remote_id
    content = {
        "text": f"[{decision.severity}] {decision.kind}: {decision.title}",
        "link": link,
        "severity": decision.severity,
        "component": decision.component,
    }
    return Draft(decision.route, content)
