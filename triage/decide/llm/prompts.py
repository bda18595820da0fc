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
from pathlib import Path

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
NAMES = ("choose", "classify", "kinds")
LONGEST_FILE = 20_000
"""Bytes of one of our own files."""
TAG_LENGTH = 12
COMMENT = regex.compile(r"<!--.*?(?:-->|\Z)", regex.DOTALL)
DELIMITER = regex.compile(r"(?i)<(?=\s*+/?\s*+(?:report|candidate|system|instructions?)\b)")
MARKED = "s|bos|eos|pad|unk|start_of_turn|end_of_turn|think|tools|tool_calls?|tool_response|function_calls?"
LISTED = "INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|CALL_ID|ARGS|THINK|IMG|CONTROL_\\d+"
CONTROL_WORD = regex.compile(
    rf"""(?i)
    <(?=[|\uff5c])                                   # <|im_start|>, <|eot_id|>; DeepSeek's with the full-width bar
    | <<(?=/?SYS>>)
    | <(?=/?+(?:{MARKED})>)                          # Gemma, Llama, Hermes, Qwen, Claude's old tools
    | \[(?-i:(?=/?+(?:{LISTED})\]))                  # Mistral
    | ^\#{{2,4}}(?=[ \t]?(?:instruction|input|response|system|user|assistant|human)s?:)  # Alpaca, Vicuna
    | \](?=~!?b[\[\]])                               # MiniMax
    """,
    regex.VERBOSE | regex.MULTILINE,
)
"""Words by which local models tell who speaks. A server may turn them into the real thing wherever they stand."""


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


def compose(
    report: Report, kinds: Sequence[str], candidates: Sequence[Candidate] = (), folder: Path | None = None
) -> Prompt:
    """The prompt that asks which of these kinds a report is: of two it asks to choose, of more to classify.

    Only the report's kind as its source calls it, title and body go in: not who sent it, from where, or its labels.
    Of our own words, the files in `folder` go before those that come with the product.
    """
    name = "choose" if len(kinds) == 2 else "classify"  # noqa: PLR2004 - one or the other
    meanings = "\n".join(f"- {kind}: {_meanings(folder)[kind]}" for kind in kinds)
    parts = [
        f"Kinds:\n{meanings}",
        _delimited("report", data(report.title, TITLE_CHARS), data(report.body, BODY_CHARS)),
    ]
    for number, one in enumerate(candidates[:MOST_CANDIDATES], 1):
        texts = (data(one.title, TITLE_CHARS), data(one.body, CANDIDATE_CHARS))
        parts.append(f"Candidate {alias(number)}:\n{_delimited('candidate', *texts)}")
    return Prompt(version(name, folder), _file(name, folder), "\n\n".join(parts))


def alias(number: int) -> str:
    """How the model is to call the candidate with this number (from 1)."""
    return f"c{number}"


@cache
def version(name: str, folder: Path | None = None) -> str:
    """A prompt's name, and a hash of all of our words that go into it."""
    return f"{name}@{hashlib.sha256((_file(name, folder) + _file('kinds', folder)).encode()).hexdigest()[:TAG_LENGTH]}"


def data(text: str, limit: int) -> str:
    """Untrusted text, clean, without secrets or delimiters, and at most `limit` characters long."""
    # Cleaned first: an invisible character inside a comment's start would hide it.
    shown = COMMENT.sub(" ", clean(text[: 4 * limit]))
    shown = CONTROL_WORD.sub(_apart, DELIMITER.sub("< ", mask(clean(shown))))
    return truncate(shown, limit).strip()


def check_kinds(kinds: Sequence[str], folder: Path | None = None) -> None:
    """Raise InvalidSetting for a kind whose meaning is nowhere written, or if there is nothing to choose from."""
    if folder is not None and not any((folder / f"{name}.md").is_file() for name in NAMES):
        raise errors.InvalidSetting(f"prompts: {folder} has none of {', '.join(f'{name}.md' for name in NAMES)}")
    for name in NAMES:
        _file(name, folder)
    unknown = sorted(set(kinds) - set(_meanings(folder)))
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
def _file(name: str, folder: Path | None = None) -> str:
    if folder is not None and (folder / f"{name}.md").exists():
        return _read(folder / f"{name}.md")
    return resources.files("triage.decide.llm").joinpath("prompts", f"{name}.md").read_text("utf-8")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_FILE + 1).decode()
    except (OSError, ValueError) as error:
        raise errors.InvalidSetting(f"prompts: {path}: {error}") from None
    if len(text.encode()) > LONGEST_FILE:
        raise errors.InvalidSetting(f"prompts: {path} is longer than {LONGEST_FILE:,} bytes")
    return text


@cache
def _meanings(folder: Path | None = None) -> dict[str, str]:
    lines = (line.partition(": ") for line in _file("kinds", folder).splitlines())
    return {kind: meaning for kind, _, meaning in lines}
