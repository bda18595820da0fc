"""The rules file for Prometheus; pure."""

from triage.alerts.alert import Alert
from triage.alerts.objectives import objectives
from triage.alerts.symptoms import symptoms
from triage.alerts.written import yaml
from triage.config import Alerts, Objectives

HEAD = "Made by `triage alerts rules` from the settings [objectives] and [alerts]. Do not edit."


def alerts(given: Objectives) -> list[Alert]:
    """Every alert."""
    return [*(alert for objective in objectives(given) for alert in objective.alerts()), *symptoms(given)]


def document(given: Objectives, said: Alerts, hurry: float = 1.0) -> str:
    """The file's text. With `hurry` each alert has to last that much less long, for trying it out."""
    recorded = [rule for objective in objectives(given) for rule in objective.recordings()]
    told = [alert.rule(said.runbook, hurry) for alert in alerts(given)]
    groups = [{"name": "triage-objectives", "rules": recorded}, {"name": "triage-alerts", "rules": told}]
    return yaml({"groups": groups}, HEAD)
