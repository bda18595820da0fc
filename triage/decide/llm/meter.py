"""What an ask comes to: foreseen before it, counted after it."""

from dataclasses import dataclass, field

from triage.decide.llm.settings import ModelChoice
from triage.decide.prices import Prices, Tokens
from triage.model.money import Bill

TRIES = 3
"""The first, and twice again after an answer that does not fit."""
OVERHEAD = 2_000
"""Tokens of a request that are not in our text: the answer's schema, and what the provider adds around it."""
MOST_TOKENS = 2**31 - 1


@dataclass
class Count:
    """What one model was told and said: the tokens of each answer, None where the provider did not say."""

    tokens: list[Tokens | None] = field(default_factory=list)


@dataclass
class Meter:
    """Counts one ask of a prompt of `size` bytes, over all models that were tried, also when it ends with an error."""

    prices: Prices
    size: int
    bills: list[Bill] = field(default_factory=list)

    def worst(self, choice: ModelChoice) -> int:
        """The most (micro-USD) that one request can cost: a token is at least one byte."""
        return self.prices.worst(choice.provider, choice.model, sent=self.size + OVERHEAD, received=choice.max_output)

    def add(self, choice: ModelChoice, count: Count, *, owed: bool) -> None:
        """Add what one model reports; with `owed` one more request may have to be paid, and counts at its worst."""
        known = [tokens for tokens in count.tokens if tokens is not None]
        spent = sum(self._cost(choice, tokens) for tokens in count.tokens)
        self.bills.append(
            Bill(
                model=choice.name,
                spent=spent + (self.worst(choice) if owed else 0),
                requests=len(count.tokens) + owed,
                input_tokens=_sum(known, "input"),
                output_tokens=_sum(known, "output"),
                cached_tokens=_sum(known, "cached"),
                reasoning_tokens=_sum(known, "reasoning"),
            )
        )

    @property
    def bill(self) -> Bill:
        """All together, under the name of the model that was asked last."""
        numbers = {name: _sum(self.bills, name) for name in Bill.__slots__ if name != "model"}
        return Bill(model=self.bills[-1].model if self.bills else "none", **numbers)

    def _cost(self, choice: ModelChoice, tokens: Tokens | None) -> int:
        """Where the numbers are missing, or cannot be, the worst is taken."""
        try:
            return self.prices.cost(choice.provider, choice.model, tokens) if tokens else self.worst(choice)
        except ValueError:
            return self.worst(choice)


def _sum(parts: list[Tokens] | list[Bill], name: str) -> int:
    total: int = sum(getattr(part, name) for part in parts)
    return max(0, min(total, MOST_TOKENS))
