"""What is said to a model: instructions from versioned files, and the report as delimited, bounded data.

The report's text is untrusted. It is cleaned of what cannot be seen (zero-width characters, controls, HTML comments),
its secrets are masked, and nothing in it looks like one of our delimiters or like a local model's own control words.
None of that makes a hostile text harmless; what does is that no answer can do more than `answer` lets through.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import regex

from triage import errors
from triage.model import Report
from triage.text.cut import truncate
from triage.text.neutral import clean
from triage.text.secrets import mask

TITLE_CHARS = 300
BODY_CHARS = 8_000
CANDIDATE_CHARS = 1_000
MOST_CANDIDATES = 3
TAG_LENGTH = 12
COMMENT = regex.compile(r"<!--.*?(?:-->|\Z)", regex.DOTALL)
DELIMITER = regex.compile(r"(?i)<(?=\s*+/?\s*+(?:report|candidate|system|instructions?)\b)")
CONTROL_WORD = regex.compile(r"(?i)<(?=\|)|<<(?=/?SYS>>)|\[(?=/?INST\])")
"""Words by which local models tell who speaks: `<|im_start|>`, `<<SYS>>`, `[INST]`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier report that may be about the same thing; the model never sees its `id`."""

    id: str
    title: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Instructions, the text to judge, and the `version` of our own words: a name and a hash."""

    version: str
    instructions: str
    text: str

    @property
    def size(self) -> int:
        """Bytes of UTF-8; a token is at least one of them."""
        return len(self.instructions.encode()) + len(self.text.encode())


def compose(report: Report, kinds: Sequence[str], candidates: Sequence[Candidate] = ()) -> Prompt:
    """The prompt that asks which of these kinds a report is: of two it asks to choose, of more to classify.

    Only the report's kind as its source calls it, title and body go in: not who sent it, from where, or its labels.
    """
    name = "choose" if len(kinds) == 2 else "classify"  # noqa: PLR2004 - one or the other
    meanings = "\n".join(f"- {kind}: {_meanings()[kind]}" for kind in kinds)
    parts = [
        f"Kinds:\n{meanings}",
        _delimited("report", data(report.title, TITLE_CHARS), data(report.body, BODY_CHARS)),
    ]
    for number, one in enumerate(candidates[:MOST_CANDIDATES], 1):
        texts = (data(one.title, TITLE_CHARS), data(one.body, CANDIDATE_CHARS))
        parts.append(f"Candidate {alias(number)}:\n{_delimited('candidate', *texts)}")
    return Prompt(version(name), _file(name), "\n\n".join(parts))


def alias(number: int) -> str:
    """How the model is to call the candidate with this number (from 1)."""
    return f"c{number}"


@cache
def version(name: str) -> str:
    """A prompt's name, and a hash of all of our words that go into it."""
    return f"{name}@{hashlib.sha256((_file(name) + _file('kinds')).encode()).hexdigest()[:TAG_LENGTH]}"


def data(text: str, limit: int) -> str:
    """Untrusted text, clean, without secrets or delimiters, and at most `limit` characters long."""
    # Cleaned first: an invisible character inside a comment's start would hide it.
    shown = COMMENT.sub(" ", clean(text[: 4 * limit]))
    shown = CONTROL_WORD.sub(_apart, DELIMITER.sub("< ", mask(clean(shown))))
    return truncate(shown, limit).strip()


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise InvalidSetting for a kind whose meaning is nowhere written, or if there is nothing to choose from."""
    unknown = sorted(set(kinds) - set(_meanings()))
    if unknown or len(set(kinds)) < 2:  # noqa: PLR2004 - a choice
        raise errors.InvalidSetting(f"a model needs two or more known kinds to choose from, not {', '.join(kinds)}")


def _apart(found: regex.Match[str]) -> str:
    return f"{found[0]} "


def _delimited(what: str, title: str, body: str) -> str:
    """Between tags that the text itself cannot contain, as they carry its hash."""
    text = f"Title: {' '.join(title.split())}\n\n{body}"
    tag = f"{what}-{hashlib.sha256(text.encode()).hexdigest()[:TAG_LENGTH]}"
    return f"<{tag}>\n{text}\n</{tag}>"


@cache
def _file(name: str) -> str:
    return resources.files("triage.decide.llm").joinpath("prompts", f"{name}.md").read_text("utf-8")


@cache
def _meanings() -> dict[str, str]:
    lines = (line.partition(": ") for line in _file("kinds").splitlines())
    return {kind: meaning for kind, _, meaning in lines}
