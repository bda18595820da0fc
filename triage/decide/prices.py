"""What tokens cost, offline: the price list that comes with `genai-prices`, and what the settings say instead.

Amounts are whole micro-USD, rounded up for each ask: a sum is below the bill only where the list is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import Field

from triage import errors
from triage.model import Record

MICRO = 1_000_000
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, allow_inf_nan=False)]


class Price(Record):
    """US dollars for a million tokens. `cached_input` is for what the provider had read before; none: as `input`."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an ask used; of the input, `cached` was read from and `written` to the provider's cache."""

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0


class Prices:
    """Prices by provider and model."""

    def __init__(self, overrides: Mapping[str, Price] | None = None) -> None:
        """`overrides` by `provider:model` go before the list; they are needed for models that it does not know."""
        self._overrides = dict(overrides or {})

    def check(self, provider: str, model: str) -> None:
        """For `doctor`, and before the first ask.

        Raises:
            InvalidSetting: nobody knows what this model costs, so no budget could hold.
        """
        self.cost(provider, model, Tokens(input=1, output=1))

    def cost(self, provider: str, model: str, tokens: Tokens) -> int:
        """Micro-USD for these tokens.

        Raises:
            InvalidSetting: the model is unknown.
            ValueError: no ask can have used these tokens, such as more cached ones than there were.
        """
        if min(tokens.input, tokens.output, tokens.cached, tokens.written, tokens.reasoning) < 0:
            raise ValueError("a number of tokens is below zero")
        price = self._overrides.get(f"{provider}:{model}")
        dollars = _listed(provider, model, tokens) if price is None else _by_settings(price, tokens)
        return int((dollars * MICRO).to_integral_value(ROUND_CEILING))

    def worst(self, provider: str, model: str, *, sent: int, received: int) -> int:
        """The most that so many tokens can cost in micro-USD, whatever the provider caches. Raises as `cost`."""
        plain = Tokens(input=sent, output=received)
        written = Tokens(input=sent, output=received, written=sent)
        return max(self.cost(provider, model, tokens) for tokens in (plain, written))


def _by_settings(price: Price, tokens: Tokens) -> Decimal:
    if tokens.cached > tokens.input:
        raise ValueError("more tokens were cached than sent")
    cached = price.input if price.cached_input is None else price.cached_input
    fresh = tokens.input - tokens.cached
    return (price.input * fresh + cached * tokens.cached + price.output * tokens.output) / MICRO


def _listed(provider: str, model: str, tokens: Tokens) -> Decimal:
    listed = _list()
    usage = listed.Usage(
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.written,
    )
    try:
        price: Decimal = listed.calc_price(usage, model, provider_id=provider).total_price
    except LookupError:
        name = f"{provider}:{model}"
        raise errors.InvalidSetting(
            f"nobody knows what {name} costs: give its price in llm.prices, 0 if it is free"
        ) from None
    return price


@cache
def _list() -> Any:  # noqa: ANN401 - a module
    """Imported late: it is part of the `llm` extra, and reading the list costs a quarter of a second."""
    import genai_prices  # noqa: PLC0415

    return genai_prices
