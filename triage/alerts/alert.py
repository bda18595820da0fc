"""One alert, and how Prometheus wants it written."""

from dataclasses import dataclass
from datetime import timedelta

from triage.alerts.written import Tree
from triage.model.burns import Severity

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Alert:
    """Fires while `expr` has held for `lasting`. `description` may have Prometheus' templates in it.

    Its runbook entry has the name as its heading.
    """

    name: str
    severity: Severity
    lasting: timedelta
    expr: str
    summary: str
    description: str

    @property
    def anchor(self) -> str:
        """Where in the runbook it stands, as GitHub, GitLab and Gitea number headings."""
        return self.name.lower()

    def rule(self, runbook: str, hurry: float) -> Tree:
        """As a rules file has it; `hurry` divides how long it has to last."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": duration(self.lasting / hurry),
            "labels": {"severity": self.severity, "service": "triage"},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{runbook}#{self.anchor}",
            },
        }


def duration(time: timedelta) -> str:
    """As Prometheus writes it, in whole seconds and the largest unit that fits: `90s`, `6h`."""
    seconds = round(time.total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds and seconds % size == 0), ("s", 1))
    return f"{seconds // size}{unit}"
