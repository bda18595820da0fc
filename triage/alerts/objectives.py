"""The objectives as Prometheus sees them: what is counted, what of it is bad, and the alerts on burn rates; pure."""

from dataclasses import dataclass
from datetime import timedelta

from triage.alerts.alert import Alert, duration
from triage.alerts.written import Tree
from triage.config import Objectives
from triage.metrics import families, render
from triage.model.burns import BURNS, LEAST_BAD, LEAST_EVENTS, WINDOWS, Burn, Severity, factor


@dataclass(frozen=True, slots=True)
class Objective:
    """`total` and `bad` are PromQL, with `{window}` for the time over which they count."""

    name: str
    target: float
    window: timedelta
    total: str
    bad: str
    says: str

    def recorded(self, what: str, window: timedelta) -> str:
        """The recorded series of `total` or `bad` over a window."""
        return f"triage:{self.name}_{what}:increase{duration(window)}"

    def recordings(self) -> list[Tree]:
        """Counted once for all alerts and panels."""
        kinds = (("total", self.total), ("bad", self.bad))
        return [
            {"record": self.recorded(what, window), "expr": expr.replace("{window}", duration(window))}
            for window in WINDOWS
            for what, expr in kinds
        ]

    def alerts(self) -> list[Alert]:
        """One that wakes somebody, and one for the working day."""
        return [self._alert("page", "Fast", "soon"), self._alert("ticket", "Slow", "before its window is over")]

    def _alert(self, severity: Severity, pace: str, when: str) -> Alert:
        return Alert(
            name=f"Triage{self.name.capitalize()}{pace}Burn",
            severity=severity,
            lasting=timedelta(minutes=2) if severity == "page" else timedelta(minutes=15),
            expr="\nor\n".join(self._burns(burn) for burn in BURNS if burn.severity == severity),
            summary=f"The error budget of {self.name} will be used up {when}",
            description=(
                f"{self.says} The objective is {self.target:.4%} over {duration(self.window)}; "
                "{{ $value | humanizePercentage }} were bad. `triage slo` tells what is left."
            ),
        )

    def _burns(self, burn: Burn) -> str:
        most = round(factor(burn, self.window) * (1 - self.target), 6)
        total, bad = self.recorded("total", burn.long), self.recorded("bad", burn.long)
        ratios = (f"{self.recorded('bad', at)} / {self.recorded('total', at)}" for at in (burn.long, burn.short))
        parts = [f"{ratio} > {render.number(most)}" for ratio in ratios]
        parts += [f"{total} >= {LEAST_EVENTS}", f"{bad} >= {LEAST_BAD}"]
        return "(\n  " + "\n  and\n  ".join(parts) + "\n)"


def objectives(settings: Objectives) -> tuple[Objective, ...]:
    """Those that are set."""
    runs, lasted = families.RUNS.name, families.RUN_SECONDS.name
    edge = render.number(settings.within.total_seconds())
    done = f"sum(increase({lasted}_count[{{window}}]))"
    within = duration(settings.within)
    return (
        Objective(
            "completeness",
            settings.completeness,
            settings.window,
            f'sum(increase({runs}{{outcome=~"done|dead"}}[{{window}}]))',
            f'sum(increase({runs}{{outcome="dead"}}[{{window}}]))',
            "Too many runs were given up.",
        ),
        Objective(
            "freshness",
            settings.freshness,
            settings.window,
            done,
            f'{done} - sum(increase({lasted}_bucket{{le="{edge}"}}[{{window}}]))',
            f"Too many runs were done later than {within} after they came in.",
        ),
    )
