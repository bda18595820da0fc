"""What can be set about asking a model, and that reading it loads no model's library."""

import subprocess
import sys
from decimal import Decimal

import pytest
from pydantic import ValidationError

from triage import errors
from triage.decide.llm.settings import Budgets, LlmSettings, ModelChoice
from triage.model.money import Limits

LIGHT = """
import sys
import triage.decide.llm.settings
print([name for name in ("pydantic_ai", "httpx2", "openai", "anthropic", "genai_prices") if name in sys.modules])
"""


def test_dollars_become_whole_micro_dollars() -> None:
    """Budgets are rounded down, and what is not limited stays so."""
    budgets = Budgets(run=Decimal("0.0000019"), source=Decimal(1), day=None, month=Decimal("0.1"), total=None)
    assert budgets.limits == Limits(run=1, source=1_000_000, month=100_000, reporter=500_000, asks=20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": {"provider": "nobody", "model": "x"}},
        {"model": {"provider": "ollama", "model": "x"}},
        {"model": {"provider": "openai", "model": "x"}, "kinds": ["bug"]},
        {"model": {"provider": "openai", "model": "x"}, "budgets": {"day": -1}},
        {"model": {"provider": "openai", "model": "x"}, "budgets": {"day": "nan"}},
        {"model": {"provider": "openai", "model": "x"}, "prices": {"a:b": {"input": 1}}},
        {"model": {"provider": "openai", "model": "x", "max_output": 1}},
        {"model": {"provider": "ollama", "model": "x", "base_url": "localhost:11434"}},
        {"model": {"provider": "ollama", "model": "x", "base_url": "http://host/v1\n"}},
        {"model": {"provider": "ollama", "model": "x", "base_url": "https://user:word@host/v1"}},
        {"model": {"provider": "openai", "model": "x"}, "budgets": {"asks": -1}},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    """What cannot hold is said when the settings are read."""
    with pytest.raises((ValidationError, errors.InvalidSetting)):
        LlmSettings.model_validate(wrong)


def test_a_key_does_not_print() -> None:
    """A settings object can be shown."""
    chosen = ModelChoice.model_validate({"provider": "openai", "model": "x", "api_key": "sk-visible"})
    assert "sk-visible" not in repr(LlmSettings(model=chosen))


def test_reading_the_settings_loads_no_library() -> None:
    """A process that asks no model pays nothing for it."""
    said = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
