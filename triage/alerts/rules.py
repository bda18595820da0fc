"""The rules file for Prometheus; pure."""

from triage.alerts.alert import Alert
from triage.alerts.objectives import objectives
from triage.alerts.symptoms import symptoms
from triage.alerts.written import Tree, yaml
from triage.config import Alerts, Objectives

HEAD = "Made by `triage alerts rules` from the settings [objectives] and [alerts]. Do not edit."


def alerts(given: Objectives) -> list[Alert]:
    """Every alert."""
    return [*(alert for objective in objectives(given) for alert in objective.alerts()), *symptoms(given)]


def document(given: Objectives, said: Alerts, hurry: float = 1.0) -> str:
    """The file's text. With `hurry` each alert has to last that much less long, for trying it out."""
    groups: list[Tree] = [
        {"name": f"triage-{one.name}", "rules": [*one.recordings(), *_rules(one.alerts(), said, hurry)]}
        for one in objectives(given)  # in one group: an alert is judged right after what it reads was recorded
    ]
    groups.append({"name": "triage-symptoms", "rules": _rules(symptoms(given), said, hurry)})
    return yaml({"groups": groups}, HEAD)


def _rules(alerts: list[Alert], said: Alerts, hurry: float) -> list[Tree]:
    return [alert.rule(said.runbook, hurry) for alert in alerts]
