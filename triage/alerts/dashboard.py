"""The dashboard for Grafana, as the JSON that it imports; pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from triage.alerts.objectives import Objective, objectives
from triage.config import Objectives
from triage.metrics import families
from triage.metrics.families import Family
from triage.model.burns import FASTEST

Kind: TypeAlias = Literal["stat", "timeseries"]
Tree: TypeAlias = dict[str, Any]

COLUMNS = 24
"""Of Grafana's grid."""
SCHEMA = 39
"""Of dashboards, from Grafana 10 on; later ones migrate it."""
SOURCE: Tree = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """`queries` are PromQL with the legend of their lines; `unit` is one of Grafana's."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: Kind = "timeseries"

    def document(self, number: int, left: int, top: int) -> Tree:
        """As Grafana wants it; panels of a row stand beside one another."""
        targets = [
            {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for place, (expr, legend) in enumerate(self.queries)
        ]
        return {
            "id": number,
            "title": self.title,
            "type": self.kind,
            "datasource": SOURCE,
            "gridPos": {"x": left, "y": top, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "targets": targets,
        }

    @property
    def width(self) -> int:
        """Columns."""
        return 4 if self.kind == "stat" else 12

    @property
    def height(self) -> int:
        """Rows."""
        return 4 if self.kind == "stat" else 8


def panels(given: Objectives) -> list[Panel]:
    """All of them, in their order."""
    return [*_stats(), *_objectives(objectives(given)), *_work(), *_waiting(), *_outside()]


def document(given: Objectives) -> str:
    """The dashboard's JSON."""
    variable = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    whole = {
        "title": "triage",
        "uid": "triage",
        "tags": ["triage"],
        "schemaVersion": SCHEMA,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": _placed(panels(given)),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _placed(given: list[Panel]) -> list[Tree]:
    told: list[Tree] = []
    left = top = height = 0
    for number, panel in enumerate(given, start=1):
        if left + panel.width > COLUMNS:
            left, top, height = 0, top + height, 0
        told.append(panel.document(number, left, top))
        left, height = left + panel.width, max(height, panel.height)
    return told


def _stats() -> list[Panel]:
    singles: list[tuple[str, Family, str]] = [
        ("Oldest due run", families.OLDEST_DUE, "s"),
        ("Held runs", families.HELD, "short"),
        ("Dead letters", families.DEAD, "short"),
        ("Approvals", families.APPROVALS, "short"),
        ("Workers", families.WORKERS, "short"),
        ("Duplicates", families.DUPLICATES, "short"),
    ]
    return [Panel(title, ((f"max({family.name})", ""),), unit, "stat") for title, family, unit in singles]


def _objectives(found: tuple[Objective, ...]) -> list[Panel]:
    shares = tuple((f"1 - ({_ratio(one)}) / {1 - one.target:.6g}", one.name) for one in found)
    rates = tuple((f"{_burn(one)} / {1 - one.target:.6g}", one.name) for one in found)
    return [Panel("Error budget left", shares, "percentunit"), Panel("Burn rate over an hour", rates)]


def _ratio(one: Objective) -> str:
    window = f"{one.window.days}d"
    bad, total = one.bad.replace("{window}", window), one.total.replace("{window}", window)
    return f"({bad}) / ({total})"


def _burn(one: Objective) -> str:
    return f"{one.recorded('bad', FASTEST.long)} / {one.recorded('total', FASTEST.long)}"


def _work() -> list[Panel]:
    stage = families.STAGE_SECONDS.name
    slow = f"histogram_quantile(0.95, sum by (stage, le) (rate({stage}_bucket[$__rate_interval])))"
    run = f"histogram_quantile(0.95, sum by (le) (rate({families.RUN_SECONDS.name}_bucket[$__rate_interval])))"
    return [
        Panel("Runs", ((_rate(families.RUNS, "outcome"), "{{outcome}}"),), "ops"),
        Panel("Attempts", ((_rate(families.ATTEMPTS, "stage", "outcome"), "{{stage}} {{outcome}}"),), "ops"),
        Panel("95 % of attempts are faster than", ((slow, "{{stage}}"),), "s"),
        Panel("95 % of runs are done within", ((run, "run"),), "s"),
        Panel(
            "Trouble",
            (
                (_rate(families.RETRIES, "stage"), "retry {{stage}}"),
                (_rate(families.TIMEOUTS, "stage"), "timeout {{stage}}"),
                (_rate(families.RECOVERIES, "stage"), "recovered {{stage}}"),
            ),
            "ops",
        ),
        Panel("Decisions", ((_rate(families.DECISIONS, "by"), "{{by}}"),), "ops"),
    ]


def _waiting() -> list[Panel]:
    ages = (families.OLDEST_DUE, "due"), (families.OLDEST_HELD, "held"), (families.OLDEST_DEAD, "dead")
    queues = (f"max by (queue) ({families.QUEUE_LENGTH.name})", "{{queue}}")
    return [
        Panel("Active runs", ((f"sum by (waits_on) ({families.ACTIVE.name})", "waits on {{waits_on}}"),)),
        Panel("Oldest", tuple((f"max({family.name})", legend) for family, legend in ages), "s"),
        Panel("Queues", (queues, (f"max({families.QUEUE_UNACKED.name})", "taken by workers"))),
        Panel("Relay", ((_rate(families.RINGS), "rings"),), "ops"),
    ]


def _outside() -> list[Panel]:
    limit = (f"max by (scope) ({families.BUDGET_LIMIT.name})", "limit of the {{scope}}")
    shut = ((families.BREAKER_OPEN, "breaker"), (families.TOOL_OFF, "switched off"))
    return [
        Panel("Effects", ((f"sum by (tool, state) ({families.EFFECTS.name})", "{{tool}} {{state}}"),)),
        Panel("Refused by guards", ((_rate(families.REFUSALS, "tool", "line"), "{{tool}} {{line}}"),), "ops"),
        Panel("Tools out of reach", tuple((f"max by (tool) ({one.name})", f"{{{{tool}}}} {why}") for one, why in shut)),
        Panel("Tokens", ((_rate(families.TOKENS, "model", "direction"), "{{model}} {{direction}}"),)),
        Panel("Cost", ((f"sum by (model) (increase({families.COST.name}[1h]))", "{{model}} an hour"),), "currencyUSD"),
        Panel(
            "Budgets for models",
            ((f"max by (scope) ({families.BUDGET_TAKEN.name})", "{{scope}}"), limit),
            "currencyUSD",
        ),
    ]


def _rate(family: Family, *labels: str) -> str:
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"sum{by} (rate({family.name}[$__rate_interval]))"
