"""What can be set about asking a language model; imports nothing heavy, so that the settings can be read everywhere."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, SecretStr, model_validator

from triage.decide.llm.prompts import check_kinds
from triage.decide.prices import MICRO, Amount, Price
from triage.model import Kind, Record
from triage.model.money import Limits

Provider: TypeAlias = Literal["openai", "anthropic", "google", "mistral", "ollama", "compatible"]
NEED_URL = ("ollama", "compatible")
URL = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?")


class ModelChoice(Record):
    """One model of one provider; `compatible` is any server that speaks OpenAI's chat completions at `base_url`.

    `output` is how it is made to answer with an object: by a tool's schema, by a schema of the provider's own, or by
    asking nicely. `max_output` bounds the tokens of one answer, with what the model thinks before it.
    """

    provider: Provider
    model: Annotated[str, Field(min_length=1, max_length=150)]
    base_url: str = Field(default="", description="for ollama and compatible; of the others, a proxy's")
    api_key: SecretStr | None = Field(
        default=None, description="none: the variable that the provider's own client reads"
    )
    output: Literal["tool", "native", "prompted"] = "tool"
    max_output: Annotated[int, Field(ge=100, le=32_000)] = 1_000
    timeout: timedelta = Field(default=timedelta(seconds=30), description="for all tries with this model")

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.provider in NEED_URL and not self.base_url:
            raise ValueError(f"{self.provider} needs a base_url")
        if self.base_url and not URL.fullmatch(self.base_url):
            raise ValueError("base_url must begin with http:// or https://, and name a host and no user")
        return self

    @property
    def name(self) -> str:
        """As prices and spending call it."""
        return f"{self.provider}:{self.model}"


class Budgets(Record):
    """The most that may be spent, in US dollars; none: no limit. `source` is for each source on each day.

    `reporter` is for each reporter of a source on each day. Reports of a source that name none share one: raise it, and
    `asks`, for a source that names nobody, such as a monitor.
    """

    run: Amount | None = Decimal("0.20")
    source: Amount | None = Decimal(5)
    day: Amount | None = Decimal(20)
    month: Amount | None = Decimal(200)
    total: Amount | None = None
    reporter: Amount | None = Decimal("0.50")
    asks: Annotated[int, Field(ge=0, le=10_000)] | None = Field(default=20, description="of a reporter in an hour")

    @property
    def limits(self) -> Limits:
        """In micro-USD, rounded down."""
        dollars = self.model_dump(exclude={"asks"})
        amounts = {scope: None if one is None else int(one * MICRO) for scope, one in dollars.items()}
        return Limits(**amounts, asks=self.asks)


class LlmSettings(Record):
    """A model, perhaps another one for when it cannot be reached, the kinds to choose from, prices and budgets."""

    model: ModelChoice
    fallback: ModelChoice | None = None
    kinds: tuple[Kind, ...] = tuple(Kind)
    prompts: Path | None = Field(
        default=None, description="a folder with other choose.md, classify.md or kinds.md than the shipped ones"
    )
    prices: dict[str, Price] = Field(default_factory=dict, description="by `provider:model`, for what the list lacks")
    budgets: Budgets = Budgets()

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Self:
        check_kinds(self.kinds, self.prompts)
        return self

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """In the order in which they are asked."""
        return (self.model, self.fallback) if self.fallback else (self.model,)
