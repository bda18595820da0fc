"""Reports whose texts give orders to a model, to a tracker or to us, after the kinds of attack that are published.

All of them are written for the tests. In the file, characters that cannot be seen are escaped.
"""

import json
from dataclasses import dataclass
from importlib import resources

FILE = "injected.jsonl"


@dataclass(frozen=True, slots=True)
class Injected:
    """A report's texts; `kind` is the kind of attack, and no two have the same `name`."""

    name: str
    kind: str
    title: str
    body: str


def load() -> list[Injected]:
    """All of them, those of one kind together."""
    text = resources.files("triage.testing").joinpath(FILE).read_text(encoding="utf-8")
    return [Injected(**json.loads(line)) for line in text.split("\n") if line]
