"""Labelled reports for the tests of learning: each kind has words of its own, and some that all share."""

import random
from datetime import UTC, datetime, timedelta

from triage.decide.learned.reports import LabelledReport

OWN = {
    "bug": ["crash", "error", "broken", "exception", "wrong", "fails", "traceback", "regression"],
    "feature": ["please", "add", "support", "option", "allow", "would", "nice", "wish"],
    "question": ["how", "why", "what", "where", "docs", "explain", "understand", "help"],
}
SHARED = ["window", "button", "file", "the", "menu", "user", "page", "with", "after", "server", "list", "when", "I"]
START = datetime(2030, 1, 1, tzinfo=UTC)


def reports(
    count: int, kinds: tuple[str, ...] = ("bug", "feature", "question"), noise: float = 0.5
) -> list[LabelledReport]:
    """Reports in turn of each kind, a day apart; `noise` of their telling words are another kind's."""
    draw = random.Random(7)  # noqa: S311 - no secret
    return [_report(number, kinds[number % len(kinds)], kinds, noise, draw) for number in range(count)]


def _report(number: int, kind: str, kinds: tuple[str, ...], noise: float, draw: random.Random) -> LabelledReport:
    sources = [draw.choice(kinds) if draw.random() < noise else kind for _ in range(5)]
    telling = [draw.choice(OWN[source]) for source in sources]
    words = telling + draw.choices(SHARED, k=12)
    title = f"{' '.join(words[:4])} {number}"
    return LabelledReport(kind, title, " ".join(draw.sample(words, len(words))), START + timedelta(days=number))
