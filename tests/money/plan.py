"""What is submitted, what an ask costs, and budgets that cannot hold all of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from triage.decide.prices import MICRO
from triage.model.money import Limits, Scope

MODEL = "compatible:some-model"
PRICES = {"input": "3", "output": "15", "cached_input": "0.3"}
"""US dollars for a million tokens."""
USAGE = (3_750, 200, 250)
"""Input, output and cached tokens of every answer: nearly as much as is reserved for one request."""
COST = 13_575
"""Micro-USD of such an answer: 3,500 at 3 dollars, 250 at 0.3, and 200 at 15."""
MAX_OUTPUT, TIMEOUT = 200, "PT2S"
ASK = 43_245
"""Micro-USD that are reserved for one ask, which may take three requests; the campaign sees to it that it is so."""
RUN = ASK * 3 // 2
"""A run whose worker dies while it asks has no room for asking again."""
SOURCES = ("mail", "mail", "forum", "mail", "mail", "ci", "mail", "mail", "crm", "mail")
"""Seven in ten reports come from one source."""
REPORTERS = ("ada", "ada", "", "ada", "bob", "", "ada", "ada", "ada", "cyd")
"""Half of all reports are one person's, in that source."""
SHARE, ONES_SHARE = Fraction(7, 10), Fraction(5, 10)
FAR = 10
"""A budget that is not to bind has room for so many times all that is asked, and for all that is lost."""
SHARED: tuple[Scope, ...] = ("source", "day", "total", "reporter", "asks")


@dataclass(frozen=True, slots=True)
class Wave:
    """So many reports, and the one budget that has room for only half of them, at least; none: `far`."""

    runs: int
    binds: Scope | None = None

    @property
    def name(self) -> str:
        """For people."""
        return self.binds or "far"

    @property
    def sources(self) -> Sequence[str]:
        """Where each report comes from."""
        return [SOURCES[number % len(SOURCES)] for number in range(self.runs)]

    @property
    def reporters(self) -> Sequence[str]:
        """Who each report is by."""
        return [REPORTERS[number % len(REPORTERS)] for number in range(self.runs)]

    @property
    def demand(self) -> Mapping[str, int]:
        """What all reports of the dearest source and reporter, and all of all, would take."""
        all_of_all = COST * self.runs
        asks = int(self.runs * ONES_SHARE)
        source = int(all_of_all * SHARE)
        return {"source": source, "day": all_of_all, "total": all_of_all, "reporter": COST * asks, "asks": asks}

    def limits(self, taken: Mapping[str, int]) -> Limits:
        """What new workers may spend when so much is taken out of each budget, of a source or reporter at the most."""
        demand = self.demand
        room = {scope: demand[scope] // 2 if scope == self.binds else FAR * demand[scope] for scope in SHARED}
        return Limits(run=RUN, **{scope: taken[scope] + room[scope] for scope in SHARED})


def waves(runs: int) -> list[Wave]:
    """First no budget is near, so those who reserve do it beside one another; then each of them runs out once.

    Even if no ask were ever lost or failed, the reports would cost twice what there is room for. A limit is only ever
    raised above what is taken, so none may be passed at any time.
    """
    part = runs // (len(SHARED) + 1)
    return [Wave(runs - part * len(SHARED)), *(Wave(part, scope) for scope in SHARED)]


def settings(provider: str, limits: Limits) -> str:
    """A worker's setting `llm`, with the model at this address."""
    kind, _, name = MODEL.partition(":")
    model = {
        "provider": kind,
        "model": name,
        "base_url": f"{provider}/v1",
        "api_key": "opens-nothing",
        "max_output": MAX_OUTPUT,
        "timeout": TIMEOUT,
    }
    scopes = ("run", "source", "day", "month", "total", "reporter")
    budgets = {scope: _dollars(getattr(limits, scope)) for scope in scopes}
    return json.dumps({"model": model, "prices": {MODEL: PRICES}, "budgets": {**budgets, "asks": limits.asks}})


def _dollars(amount: int | None) -> str | None:
    return None if amount is None else str(Decimal(amount) / MICRO)
