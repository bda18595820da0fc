"""Any text and any file: opinions stay in bounds, figures too, and no file does anything but be read or refused."""

import hashlib
import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.labelled import reports
from triage.decide.learned import fileformat
from triage.decide.learned.fileformat import from_bytes, to_bytes
from triage.decide.learned.model import Model
from triage.decide.learned.report import Case, curve, evaluate, threshold_for
from triage.decide.learned.training import train
from triage.decide.opinion import Opinion
from triage.decide.repeats import fingerprints
from triage.model import Report

MODEL = train(reports(45), 0.9).model
CONTENT = to_bytes(MODEL)
START = len(fileformat.MAGIC) + 32

texts = st.text() | st.lists(st.sampled_from([*MODEL.words, "\n", "A", "0x1f"])).map(" ".join)
kinds = st.sampled_from(["bug", "feature", "question"])
opinions = st.builds(Opinion, kinds, st.floats(0, 1), st.just(()), st.just("test"), st.just("1"), st.just(""))
cases = st.lists(st.builds(Case, kinds, st.none() | opinions), min_size=1, max_size=60)


@settings(deadline=None)
@given(texts, texts)
def test_every_text_gets_an_opinion_in_bounds(title: str, body: str) -> None:
    """Probabilities add up to 1, the opinion is the likeliest kind, and asking again gives the same."""
    opinion = MODEL.opinion(title, body)
    chances = [opinion.confidence, *(chance for _, chance in opinion.alternatives)]
    assert sum(chances) == pytest.approx(1)
    assert chances == sorted(chances, reverse=True)
    assert {opinion.kind, *(kind for kind, _ in opinion.alternatives)} == set(MODEL.classes)
    assert MODEL.opinion(title, body) == opinion


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(CONTENT) - START - 1), st.binary(max_size=12), st.none() | st.integers(0, 12))
def test_a_hostile_file_is_a_model_or_refused(place: int, put: bytes, cut: int | None) -> None:
    """With a right checksum around any change, reading gives a working model or the one error that is explained."""
    rest = CONTENT[START:]
    rest = rest[:place] + put + rest[place + (len(put) if cut is None else cut) :]
    with suppress(fileformat._Unreadable):
        found = from_bytes(fileformat.MAGIC + hashlib.sha256(rest).digest() + rest)
        assert isinstance(found, Model)
        assert found.opinion("crash error", "").kind in found.classes


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32 - 1))
def test_any_bytes_are_refused(rest: bytes, length: int) -> None:
    """Bytes that nobody wrote as a model are refused, whatever length they announce."""
    rest = struct.pack("<I", length) + rest
    with pytest.raises(fileformat._Unreadable):
        from_bytes(fileformat.MAGIC + hashlib.sha256(rest).digest() + rest)


@settings(deadline=None, max_examples=50)
@given(cases, st.floats(0.5, 0.99))
def test_figures_stay_in_bounds(measured: list[Case], target: float) -> None:
    """All shares are shares, and at a threshold that was found the target is kept."""
    threshold = threshold_for(measured, target)
    found = evaluate(measured, threshold, target)
    shares = [found.accuracy, found.macro_f1, found.majority, found.first_two, found.brier, found.ece]
    assert all(0 <= share <= 1 for share in shares)
    assert found.accuracy_interval[0] - 1e-9 <= found.accuracy <= found.accuracy_interval[1] + 1e-9
    assert sum(sum(told.values()) for told in found.confusion.values()) == found.cases
    assert (threshold is None) == (found.coverage is None)
    if found.accuracy_at_target is not None:
        assert found.accuracy_at_target >= target
        assert (found.coverage, found.accuracy_at_target) in curve(measured)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300))
def test_every_report_has_fingerprints(body: str) -> None:
    """They are pure: case and blanks around change nothing, whatever the text."""
    report = Report(source="s", source_id="1", title="t", body=body)
    found = fingerprints(report)
    assert found == fingerprints(report.model_copy(update={"body": f"  {body}\n"}))
    assert len(found.text) == 32 and (found.trace is None or len(found.trace) == 32)
