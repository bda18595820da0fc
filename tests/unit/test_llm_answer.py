"""No answer of a model can be more than was asked for."""

import json
import math

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.decide.llm.answer import NOTE_CHARS, Answer, answer_type

TYPE = answer_type(("bug", "question"), 2)
GOOD = {"kind": "bug", "confidence": 0.8, "note": "It says that it ends.", "duplicate_of": "c2"}


def test_a_good_answer_is_taken() -> None:
    """All fields come through."""
    answer = TYPE.model_validate(GOOD)
    assert (answer.kind, answer.confidence, answer.note, answer.duplicate) == ("bug", 0.8, GOOD["note"], "c2")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "security"},
        {"kind": "close_all"},
        {"kind": None},
        {"confidence": 1.01},
        {"confidence": -0.1},
        {"confidence": math.nan},
        {"confidence": "very"},
        {"duplicate_of": "c3"},
        {"duplicate_of": "#1"},
        {"note": 7},
    ],
    ids=str,
)
def test_what_was_not_offered_is_refused(wrong: dict[str, object]) -> None:
    """Another kind, an impossible confidence and a candidate that was not shown are no answers."""
    with pytest.raises(pydantic.ValidationError):
        TYPE.model_validate({**GOOD, **wrong})


def test_further_fields_are_dropped() -> None:
    """An answer with more fields is taken without them."""
    answer = TYPE.model_validate({**GOOD, "assignee": "root", "severity": "critical"})
    assert set(answer.model_dump()) == set(GOOD)


def test_without_candidates_there_is_no_duplicate() -> None:
    """A duplicate that nobody asked for is dropped."""
    assert answer_type(("bug", "question"), 0).model_validate(GOOD).duplicate is None


def test_a_note_calls_nobody_and_leads_nowhere() -> None:
    """Mentions, references, links and secrets in a note are harmless, and it is one short line."""
    note = "@team see #12\nhttps://evil.example/?q=AKIA" + "QX7ZP3M4N5B6V2C4 " + "x" * 5_000
    shown = TYPE.model_validate({**GOOD, "note": note}).note
    assert shown.startswith("@ team see # 12 https:// evil.example")
    assert "AKIA" not in shown and "\n" not in shown and len(shown) <= NOTE_CHARS


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda deep: st.lists(deep) | deep, max_leaves=5
)


@given(st.fixed_dictionaries({name: anything | st.just(value) for name, value in GOOD.items()}))
def test_no_object_gets_more_through_than_was_asked(fields: dict[str, object]) -> None:
    """Whatever a hijacked model answers: it is refused, or within the bounds."""
    try:
        answer: Answer = TYPE.model_validate(fields)
    except pydantic.ValidationError:
        return
    assert answer.kind in {"bug", "question"} and answer.duplicate in {"c1", "c2", None}
    assert 0 <= answer.confidence <= 1 and len(answer.note) <= NOTE_CHARS
    json.dumps(answer.model_dump(), allow_nan=False)
