"""The product's worker with a pause in its first stage, as a model's answer would make: `-A tests.bench.waiting`.

Only the decider is wrapped; everything else is the product as it is shipped.
"""

import os
import time

from triage.bootstrap import services
from triage.model import Claim, Decision, Report
from triage.ports import Decider
from workers.app import app

__all__ = ["app"]


class Slow:
    """A decider that thinks for some seconds."""

    def __init__(self, decider: Decider, seconds: float) -> None:
        """Wrap `decider`."""
        self._decider = decider
        self._seconds = seconds

    def decide(self, report: Report, claim: Claim) -> Decision:
        """Wait, then decide."""
        time.sleep(self._seconds)
        return self._decider.decide(report, claim)


_engine = services().engine
_engine._decider = Slow(_engine._decider, float(os.environ["BENCH_WAIT"]))
