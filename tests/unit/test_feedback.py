"""What a ticket says about its decision: one kind that is not ours counts, two of them say nothing."""

import pytest

from triage.feedback import said
from triage.model.tickets import Standing

KEY = "ab" * 32


def standing(*labels: str, kind: str = "", severity: str = "") -> Standing:
    """A ticket of a run that was decided to be a crash of severity high."""
    return Standing(KEY, labels, kind, severity)


@pytest.mark.parametrize(
    ("ticket", "kind"),
    [
        (standing("crash", "severity-high", "triage-bot", "ui"), "crash"),
        (standing("bug", "severity-high", "triage-bot", "ui"), "bug"),
        (standing("Feature"), "feature"),
        (standing("bug", "crash"), None),
        (standing("bug", "feature"), None),
        (standing("ui", "severity-bug", "crash-loop"), None),
        (standing(), None),
        (standing("crash", kind="Feature"), "feature"),
        (standing(kind="feature"), "feature"),
        (standing("feature", kind="Feature"), "feature"),
        (standing("bug", kind="Feature"), None),
        (standing("bug", kind="Crash"), "bug"),
        (standing("crash", kind="Task"), "crash"),
        (standing(kind="Task"), None),
    ],
)
def test_kind(ticket: Standing, kind: str | None) -> None:
    """One kind beside ours, or in place of it, is what people say; none, two, and other words say nothing."""
    assert said(ticket, "kind", "crash") == kind


@pytest.mark.parametrize(
    ("ticket", "severity"),
    [
        (standing("crash", "severity-high"), "high"),
        (standing("crash", "severity-low"), "low"),
        (standing("Severity-Low"), "low"),
        (standing("severity-low", "severity-high"), None),
        (standing("severity-enormous"), None),
        (standing("low"), None),
        (standing("severity-high", severity="critical"), "critical"),
        (standing("severity-low", severity="critical"), None),
        (standing(severity="high"), "high"),
    ],
)
def test_severity(ticket: Standing, severity: str | None) -> None:
    """The same for severities, whose labels have a prefix, and for priorities that stand for one."""
    assert said(ticket, "severity", "high") == severity


def test_what_was_not_kept_does_not_speak() -> None:
    """A type or priority that the tracker did not take from us is its own, and only labels count."""
    assert said(standing("crash", kind="Feature"), "kind", "crash", whole=False) == "crash"
    assert said(standing(severity="low"), "severity", "high", whole=False) is None
