"""What an ask costs, in whole micro-USD."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage import errors
from triage.decide.prices import Price, Prices, Tokens

OWN = Prices({"openai:gpt-5-mini": Price(input=Decimal(3), output=Decimal(10), cached_input=Decimal("0.5"))})
few = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("provider", "model", "micro"),
    [
        ("openai", "gpt-5-mini", 235),
        ("anthropic", "claude-haiku-4-5", 700),
        ("google", "gemini-2.5-flash", 290),
        ("mistral", "mistral-small-latest", 93),
    ],
)
def test_the_list_knows_the_common_models(provider: str, model: str, micro: int) -> None:
    """1,200 tokens in, 1,000 of them cached, and 80 out, at the listed prices."""
    assert Prices().cost(provider, model, Tokens(1_200, 80, cached=1_000)) == micro


def test_a_price_from_the_settings_goes_first() -> None:
    """The settings' price is used instead of the listed one, the cached tokens at their own."""
    assert OWN.cost("openai", "gpt-5-mini", Tokens(1_200, 80, cached=1_000)) == 200 * 3 + 500 + 80 * 10


def test_a_part_of_a_micro_dollar_counts_as_a_whole() -> None:
    """An amount is rounded up."""
    assert Prices({"x:y": Price(input=Decimal("0.01"), output=Decimal(0))}).cost("x", "y", Tokens(1, 5)) == 1


def test_an_unknown_model_is_an_invalid_setting() -> None:
    """A model without a price is refused, naming it, unless the settings say that it is free."""
    with pytest.raises(errors.InvalidSetting, match="ollama:qwen9"):
        Prices().check("ollama", "qwen9")
    free = Prices({"ollama:qwen9": Price(input=Decimal(0), output=Decimal(0))})
    free.check("ollama", "qwen9")
    assert free.worst("ollama", "qwen9", sent=10**6, received=10**6) == 0


@pytest.mark.parametrize("prices", [Prices(), OWN], ids=["listed", "set"])
@pytest.mark.parametrize("tokens", [Tokens(10, 1, cached=11), Tokens(-1, 1), Tokens(1, -1), Tokens(1, 1, reasoning=-1)])
def test_impossible_numbers_are_refused(prices: Prices, tokens: Tokens) -> None:
    """Numbers that no ask can have used are not turned into an amount."""
    with pytest.raises(ValueError, match="token"):
        prices.cost("openai", "gpt-5-mini", tokens)


@given(sent=few, received=few, cached=few, written=few)
def test_nothing_costs_more_than_the_worst(sent: int, received: int, cached: int, written: int) -> None:
    """However an ask's tokens were cached, it costs at most what was foreseen for as many."""
    cached = min(cached, sent)
    tokens = Tokens(sent, received, cached, min(written, sent - cached))
    cost = Prices().cost("anthropic", "claude-haiku-4-5", tokens)
    assert cost <= Prices().worst("anthropic", "claude-haiku-4-5", sent=sent, received=received)
