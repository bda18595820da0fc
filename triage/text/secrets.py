"""Secrets in a report's text, replaced by a visible mask before anything is stored or sent.

The detector is `redact-secret`: a compiled rule set that works offline, in linear time (but for one case, see
`JWT_BAIT`), and names what it found. `SHAPES` adds what it does not know or is not sure enough of.
"""

from collections.abc import Iterator
from typing import TypeAlias

import redact_secret
import regex

from triage.model import Report
from triage.text.cut import truncate
from triage.text.neutral import clean
from triage.text.shapes import SHAPES

Span: TypeAlias = tuple[int, int, str]
"""Where a secret starts, where it ends, and what it is."""


JWT_BAIT = regex.compile(r"(?<![\w-])[\w-]{4097,}+", regex.ASCII)
"""Runs in which the detector would look for a token from every `eyJ` on, which takes quadratic time."""
MASK = regex.compile(r"\[masked: [A-Za-z0-9 ]{1,80}\]")
WORDS = {
    "anthropic": "Anthropic",
    "api": "API",
    "aws": "AWS",
    "contextual": "assigned",
    "github": "GitHub",
    "gitlab": "GitLab",
    "google": "Google",
    "jwt": "JSON web token",
    "npm": "npm",
    "openai": "OpenAI",
    "slack": "Slack",
    "stripe": "Stripe",
    "url": "URL",
}
NO_TITLE = "(no title)"


def mask(text: str) -> str:
    """The text with each secret in it replaced by what it was, such as `[masked: AWS access key id]`.

    Text without secrets comes back as it is; masking a second time changes nothing. Look for secrets only in clean
    text: an invisible character inside a key hides it from every detector and is removed later.
    """
    shown = MASK.sub(_starred, text) if "[masked: " in text else text
    spans = sorted(span for span in (*_detected(shown), *_shaped(shown)) if shown[span[0] : span[1]].strip("*"))
    return _replaced(text, spans) if spans else text


def mask_report(report: Report) -> Report:
    """The report, clean and without secrets, in the model's bounds; its identity is not touched."""
    labels = (truncate(shown, 64) for label in report.labels if (shown := _shown(label).strip()))
    title = _shown(report.title)
    return report.model_copy(
        update={
            "title": truncate(title if title.strip() else NO_TITLE, 500),
            "body": truncate(_shown(report.body), 100_000),
            "reporter": truncate(_shown(report.reporter), 200),
            "url": truncate(_shown(report.url), 2_000),
            "labels": tuple(labels),
        }
    )


def _shown(text: str) -> str:
    return mask(clean(text)) if text else text


def _detected(text: str) -> Iterator[Span]:
    bare = JWT_BAIT.sub(_starred, text) if "eyJ" in text else text
    for found in redact_secret.scan(bare):
        yield found.start, found.end, " ".join(WORDS.get(word, word) for word in found.type.split("_"))


def _starred(found: regex.Match[str]) -> str:
    return "*" * len(found[0])


def _shaped(text: str) -> Iterator[Span]:
    lowered = text.lower()
    for shape in SHAPES:
        if any(hint in lowered for hint in shape.hints):
            for found in shape.pattern.finditer(text):
                start, end = found.span("secret" if "secret" in shape.pattern.groupindex else 0)
                yield start, end, shape.name


def _replaced(text: str, spans: list[Span]) -> str:
    """Spans that overlap are one secret, named like the first of them."""
    parts, done = [], 0
    for start, end, name in spans:
        if start >= done:
            parts += [text[done:start], f"[masked: {name}]"]
        done = max(done, end)
    return "".join([*parts, text[done:]])
