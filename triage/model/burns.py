"""When an error budget burns too fast: pairs of windows, after the Site Reliability Workbook, chapter 5.

The budget is the share of events that may be bad: one minus the target. A burn rate of 1 uses it up exactly over the
objective's window. The long window of a pair says that it matters, the short one that it still goes on.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["page", "ticket"]
LEAST_EVENTS = 20
"""Of fewer events in the long window no rate is believed."""
LEAST_BAD = 3
"""Fewer bad ones are told by the alerts for single runs."""


@dataclass(frozen=True, slots=True)
class Burn:
    """`share` of the budget may go within `long`; more is told, while it goes on in `short`."""

    severity: Severity
    share: float
    long: timedelta
    short: timedelta


FASTEST = Burn("page", 0.02, timedelta(hours=1), timedelta(minutes=5))
BURNS = (
    FASTEST,
    Burn("page", 0.05, timedelta(hours=6), timedelta(minutes=30)),
    Burn("ticket", 0.1, timedelta(days=1), timedelta(hours=2)),
    Burn("ticket", 0.1, timedelta(days=3), timedelta(hours=6)),
)
WINDOWS = tuple(sorted({window for burn in BURNS for window in (burn.long, burn.short)}))


def factor(burn: Burn, window: timedelta) -> float:
    """The burn rate above which it is told, for an objective over `window`: 14.4, 6, 3 and 1 for 30 days."""
    return round(burn.share * (window / burn.long), 4)
