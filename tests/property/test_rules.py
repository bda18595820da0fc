"""Rules over any report: always a decision in bounds, and always the same one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from triage import model
from triage.decide import rules

SHIPPED = rules.Rules.load()
AGAIN = rules.Rules.load()
PHRASES = sorted(phrase.strip() for rule in SHIPPED.rules for phrase in rule.words or ())
TELLING = [*PHRASES, "\n", ". ", "at a.b(", "#1  0x00ff"]

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
texts = st.text(characters) | st.lists(st.sampled_from(TELLING) | st.text(characters, max_size=5)).map(" ".join)
titles = texts.map(lambda text: text[:500]).filter(str.strip)
long_texts = st.tuples(texts, st.integers(1, 400)).map(lambda pair: (pair[0] * pair[1])[:100_000])
reports = st.builds(
    model.Report,
    source=names,
    source_id=st.just("1"),
    kind=names | st.sampled_from(list(model.Kind)),
    title=titles,
    body=texts | long_texts,
    reporter=st.text(characters, max_size=200),
    url=st.text(characters, max_size=200),
    labels=st.lists(st.text(characters, min_size=1, max_size=64), max_size=20).map(tuple),
    priority=st.integers(0, 9),
)


@settings(deadline=None)
@given(reports)
def test_every_report_gets_a_decision_in_bounds(report: model.Report) -> None:
    """Every valid report gets a decision that keeps its own bounds and names who decided."""
    decision = SHIPPED.decide(report)
    assert model.Decision.model_validate(decision.model_dump()) == decision
    assert len(decision.summary) <= rules.SUMMARY_CHARS
    assert decision.title == decision.title.strip() and "\n" not in decision.title
    assert decision.decided_by == ("nobody" if SHIPPED.match(report) is None else "rules")
    assert decision.route and decision.reason


@settings(deadline=None)
@given(reports)
def test_deciding_is_deterministic(report: model.Report) -> None:
    """The same report gets the same decision, also from rules that were loaded again."""
    assert SHIPPED.decide(report) == SHIPPED.decide(report.model_copy()) == AGAIN.decide(report)


@settings(deadline=None)
@given(reports, st.sampled_from(["message", "exception"]), st.text(characters, max_size=50))
def test_who_reports_it_changes_nothing(report: model.Report, source_id: str, reporter: str) -> None:
    """Two reports with the same text get the same decision, whoever sent them."""
    other = report.model_copy(update={"source_id": source_id, "reporter": reporter, "priority": 9})
    assert SHIPPED.decide(other) == SHIPPED.decide(report)
