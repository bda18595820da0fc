"""A span for each decision."""

from triage import telemetry, tracing
from triage.model import Claim, Decision, Report
from triage.ports import Decider


class Traced:
    """A `ports.Decider` that decides nothing itself."""

    def __init__(self, decider: Decider) -> None:
        """Opens nothing."""
        self._decider = decider

    def decide(self, report: Report, claim: Claim) -> Decision:
        """As the decider does."""
        with tracing.child(telemetry.SPAN_DECIDE):
            decision = self._decider.decide(report, claim)
            tracing.note({telemetry.DECIDED_BY: decision.decided_by, telemetry.CONFIDENCE: decision.confidence})
            return decision
