"""Trials: their money in memory, and the settings of another way to decide."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from triage.decide.llm.settings import LlmSettings, ModelChoice
from triage.decide.trial import Allowance, Spent, Trial
from triage.decide.variant import CandidateSettings, Variant
from triage.errors import InvalidSetting
from triage.model.money import Bill, Question, Reserved

OPENAI = ModelChoice(provider="openai", model="gpt-5-mini", api_key=SecretStr("k"), max_output=500)
CURRENT = LlmSettings(model=OPENAI, fallback=ModelChoice(provider="anthropic", model="claude-haiku-4-5"))


def question(worst: int) -> Question:
    """What may cost so much."""
    return Question(uuid4(), uuid4(), 1, b"d" * 32, "m", "p", worst)


def test_an_allowance_is_never_passed() -> None:
    """However many ask at once, what is open at its worst and what was billed stay within it, until nothing fits."""
    allowance, over, asked = Allowance(10_000), threading.Event(), []

    def spend(worst: int) -> None:
        taken = allowance.reserve(question(worst))
        if allowance.taken > allowance.limit:
            over.set()
        time.sleep(0.0005)
        allowance.settle(taken.reservation_id, Bill("m", worst // 3))
        asked.append(worst // 3)

    draw = random.Random(3)  # noqa: S311 - no secret
    with ThreadPoolExecutor(8) as pool:
        ends = [pool.submit(spend, draw.randint(100, 4_000)) for _ in range(200)]
    assert not over.is_set() and any(isinstance(end.exception(), Spent) for end in ends)
    assert allowance.taken == sum(asked) <= allowance.limit and sum(asked) > allowance.limit - 4_000


def test_who_waits_for_room_is_told_when_there_will_be_none() -> None:
    """An ask waits while another may give some back; a closed allowance gives nothing and keeps nobody waiting."""
    allowance = Allowance(100)
    first = allowance.reserve(question(80))
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(allowance.reserve, question(80))
        time.sleep(0.05)
        assert not second.done()
        allowance.settle(first.reservation_id, Bill("m", 10))
        assert isinstance(second.result(5), Reserved) and allowance.taken == 90
        third = pool.submit(allowance.reserve, question(30))
        allowance.close()
        assert isinstance(third.exception(5), Spent)


def test_what_was_under_way_is_given_before_a_spent_budget_ends_it() -> None:
    """The results come in order, up to what could be paid, and a trial that is broken off ends what is under way."""
    halted: list[int] = []

    def work(number: int) -> int:
        if number == 5:
            raise Spent("no more")
        time.sleep(0.01)
        return number * 10

    trial = Trial(lambda _: pytest.fail("nothing is decided"), Allowance(0), 3, lambda: halted.append(1))
    found: list[tuple[int, int]] = []
    with pytest.raises(Spent), closing(trial.spread(range(100), work)) as spread:
        found.extend(spread)
    assert found[:5] == [(number, number * 10) for number in range(5)] and len(found) < 12 and halted == []
    with closing(trial.spread(range(100), lambda number: number)) as spread:
        next(spread)
    assert halted == [1]
    with pytest.raises(Spent):
        trial.allowance.reserve(question(0))


def test_parts_are_given_in_words() -> None:
    """Each part that is known is taken, and everything else is refused with what there is."""
    variant = Variant.parse(["rules=a.toml", "learned=learned-1", "model=openai:gpt-5-nano", "prompt=words"])
    assert (variant.rules, variant.learned, variant.prompt) == (Path("a.toml"), "learned-1", Path("words"))
    assert variant.told == {
        "rules": "a.toml",
        "learned": "learned-1",
        "model": "openai:gpt-5-nano",
        "prompt": "words",
    }
    for wrong in ("model", "model=", "temperature=1", "model=gpt-5", "=x"):
        with pytest.raises(InvalidSetting):
            Variant.parse([wrong])


def test_another_model_is_asked_alone_and_otherwise_as_the_set_one() -> None:
    """Of the same provider it has the set one's key and bounds; of another none of them; prices and budgets stay."""
    same = Variant(model="openai:gpt-5-nano").llm_beside(CURRENT)
    assert same is not None and same.fallback is None
    assert same.model == OPENAI.model_copy(update={"model": "gpt-5-nano"})
    other = Variant(model="anthropic:claude-haiku-4-5").llm_beside(CURRENT)
    assert other is not None and (other.model.api_key, other.model.max_output) == (None, 1_000)
    assert other.budgets == CURRENT.budgets
    assert Variant().llm_beside(CURRENT) is CURRENT and Variant().llm_beside(None) is None
    alone = Variant(model="openai:gpt-5-nano").llm_beside(None)
    assert alone is not None and alone.model.name == "openai:gpt-5-nano"
    for variant, told in (
        (Variant(prompt=Path("nowhere")), "no model is set"),
        (Variant(model="nobody:x"), "provider"),
        (Variant(model="ollama:x"), "base_url"),
    ):
        with pytest.raises(InvalidSetting, match=told):
            variant.llm_beside(None)
    with pytest.raises(InvalidSetting, match="nowhere has none of choose"):
        Variant(prompt=Path("nowhere")).llm_beside(CURRENT)


def test_a_candidate_has_something_of_its_own() -> None:
    """A candidate like the current way, with two models, or with a share over one, is refused."""
    assert CandidateSettings(name="nano", model="openai:gpt-5-nano").mode == "shadow"
    for fields in (
        {},
        {"model": "openai:a", "llm": CURRENT},
        {"model": "openai:a", "share": 1.1},
        {"model": "openai:a", "mode": "both"},
        {"model": "openai:a", "name": "No Name"},
    ):
        with pytest.raises(ValidationError):
            CandidateSettings.model_validate({"name": "nano", **fields})
