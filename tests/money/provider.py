"""A model's provider that misbehaves by a seeded schedule, and knows what it may bill."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.money.plan import COST, USAGE
from triage.testing.provider import Behaviour, ProviderServer
from triage.testing.wire import Arrival, Link

SHARES = {
    Behaviour.RIGHT: 88,
    Behaviour.TOO_MANY: 3,
    Behaviour.ERROR: 2,
    Behaviour.GARBAGE: 2,
    Behaviour.WRONG_SCHEMA: 3,
    Behaviour.HANG: 1,
    Behaviour.DROP: 1,
}
BILLED = (Behaviour.RIGHT, Behaviour.WRONG_SCHEMA)
"""What it counts tokens for, and says so."""
LATENCY = (0.05, 0.3)
"""Seconds that an answer takes."""


def drawn(seed: int) -> Iterator[tuple[Behaviour, float]]:
    """What each request meets, and after how many seconds; for ever."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    while True:
        yield chance.choices(list(SHARES), list(SHARES.values()))[0], chance.uniform(*LATENCY)


@dataclass
class Provider(ProviderServer):
    """The n-th request that arrives meets the n-th thing that was drawn."""

    seed: int = 1
    served: Counter[Behaviour] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """No other usage than the plan's, and nothing drawn yet."""
        self.usage = USAGE
        self._drawn = drawn(self.seed)

    def handle(self, arrival: Arrival, link: Link) -> None:
        """Draw what this request meets."""
        behaviour, self.latency = next(self._drawn)
        self.served[behaviour] += 1
        self.script(behaviour)
        super().handle(arrival, link)

    @property
    def billed(self) -> int:
        """Micro-USD for all answers that it gave, also to those who were dead by then."""
        return sum(self.served[behaviour] for behaviour in BILLED) * COST
