"""Once it is decided what a report is, plan its ticket."""

from triage.model import Decision, Draft, Outlet, Report


def plan_ticket(report: Report, decision: Decision, outlet: Outlet) -> Draft:
    """The ticket, to be filed in the decision's project, or in the set one."""
    content = {
        "title": decision.title,
        "text": report.body,
        "origin": report.model_dump(mode="json", include={"source", "source_id", "reporter", "url"}),
        "why": decision.reason,
        "kind": decision.kind,
        "severity": decision.severity,
        "component": decision.component,
        "labels": sorted({*_allowed(decision, outlet), decision.kind, f"severity-{decision.severity}"}),
        "route": decision.route,
        "related": [{"id": one.ticket, "url": one.url, "title": one.title} for one in decision.related],
    }
    return Draft(decision.project or outlet.routes.get(decision.route, outlet.target), {**outlet.content, **content})


def _allowed(decision: Decision, outlet: Outlet) -> set[str]:
    """A label may start other machines: what a decision makes up is left out."""
    return {label for label in decision.labels if outlet.labels is None or label in outlet.labels}
