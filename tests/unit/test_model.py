"""What a report may be: every bound, with the field named."""

import hashlib

import pytest

from triage.errors import InvalidReport
from triage.model import Report

GOOD: dict[str, object] = {"source": "crm", "source_id": "42", "title": "It broke"}

BAD = [
    ("source", ""),
    ("source", "CRM"),
    ("source", "-crm"),
    ("source", "crm\n"),
    ("source", "x" * 65),
    ("source", None),
    ("source_id", ""),
    ("source_id", " \t\n"),
    ("source_id", "x" * 201),
    ("source_id", 42),
    ("kind", "a b"),
    ("kind", ""),
    ("title", ""),
    ("title", "   "),
    ("title", "x" * 501),
    ("title", ["It broke"]),
    ("body", "x" * 100_001),
    ("body", None),
    ("reporter", "x" * 201),
    ("url", "x" * 2_001),
    ("labels", ["x"] * 21),
    ("labels", "crash"),
    ("priority", 10),
    ("priority", -1),
    ("priority", "high"),
    ("surprise", "?"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_what_breaks_a_bound_is_refused_by_name(field: str, value: object) -> None:
    """A report that breaks a bound raises InvalidReport with the name of the field."""
    with pytest.raises(InvalidReport) as raised:
        Report.parse(GOOD | {field: value})
    assert raised.value.field == field
    assert str(raised.value).startswith(f"{field}: ")


@pytest.mark.parametrize("field", ["source_id", "title", "body", "reporter", "url"])
@pytest.mark.parametrize("text", ["a\x00b", "a\ud800", "\udfffb"])
def test_what_cannot_be_stored_is_refused(field: str, text: str) -> None:
    """NUL and halves of surrogate pairs are refused in every text."""
    with pytest.raises(InvalidReport) as raised:
        Report.parse(GOOD | {field: text})
    assert raised.value.field == field


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800", "", "x" * 65])
def test_a_bad_label_is_named_by_its_place(text: str) -> None:
    """A label that breaks a bound is named with its place in the list."""
    with pytest.raises(InvalidReport) as raised:
        Report.parse(GOOD | {"labels": ["good", text]})
    assert raised.value.field == "labels.1"


@pytest.mark.parametrize("field", list(GOOD))
def test_what_is_missing_is_named(field: str) -> None:
    """A report without a field that it needs names that field."""
    with pytest.raises(InvalidReport) as raised:
        Report.parse({name: value for name, value in GOOD.items() if name != field})
    assert raised.value.field == field


@pytest.mark.parametrize("fields", [None, [], "text", 5, [GOOD]])
def test_what_is_no_object_is_refused(fields: object) -> None:
    """Something other than an object of fields is refused, not misread."""
    with pytest.raises(InvalidReport):
        Report.parse(fields)


def test_the_bounds_themselves_are_allowed() -> None:
    """A report as large as the bounds allow is accepted unchanged."""
    largest = GOOD | {
        "source": "x" * 64,
        "source_id": "é" * 200,
        "title": "\U0001f41e" * 500,
        "body": "x" * 100_000,
        "labels": ["x" * 64] * 20,
        "priority": 9,
    }
    assert Report.parse(largest).model_dump(exclude_unset=True) == largest | {"labels": ("x" * 64,) * 20}


def test_the_key_is_the_digest_of_canonical_json() -> None:
    """The key is SHA-256 of the sorted, compact JSON of kind, source and id, and of nothing else."""
    canonical = '{"kind":"bug","source":"crm","source_id":"é\\"42"}'
    report = Report.parse(GOOD | {"source_id": 'é"42'})
    assert report.key == hashlib.sha256(canonical.encode()).digest()


@pytest.mark.parametrize(
    "other", [{"title": "Else"}, {"body": "more"}, {"reporter": "me"}, {"url": "u"}, {"labels": ["x"]}, {"priority": 5}]
)
def test_the_key_ignores_how_it_is_told(other: dict[str, object]) -> None:
    """Repeats that tell the same submission differently have the same key."""
    assert Report.parse(GOOD | other).key == Report.parse(GOOD).key


@pytest.mark.parametrize("other", [{"source": "sentry"}, {"source_id": "43"}, {"kind": "crash"}])
def test_the_key_is_different_for_another_submission(other: dict[str, object]) -> None:
    """Another source, id or kind is another submission."""
    assert Report.parse(GOOD | other).key != Report.parse(GOOD).key
