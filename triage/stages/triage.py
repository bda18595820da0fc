"""Once it is decided what a report is, plan its ticket."""

from triage.model import Decision, Draft, Report


def plan_ticket(report: Report, decision: Decision, target: str) -> Draft:
    """The ticket to be filed in `target` (the tracker's project)."""
    content = {
        "title": decision.title,
        "body": _body(report, decision),
        "kind": decision.kind,
        "severity": decision.severity,
        "component": decision.component,
        "labels": sorted({*decision.labels, decision.kind, f"severity-{decision.severity}"}),
        "route": decision.route,
    }
    return Draft(target, content)


def _body(report: Report, decision: Decision) -> str:
    origin = f"Reported in {report.source} as {report.source_id}" + (
        f" by {report.reporter}" if report.reporter else ""
    )
    footer = [origin, *([report.url] if report.url else []), f"Triage: {decision.reason}"]
    return "\n".join([report.body or "(no description)", "", "---", *footer])
