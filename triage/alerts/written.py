"""YAML as far as rules files need it: mappings, lists, texts and numbers; pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Tree: TypeAlias = "Mapping[str, Tree] | list[Tree] | str | int | float"

PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][A-Za-z0-9_:]*", re.IGNORECASE)


def yaml(tree: Tree, comment: str = "") -> str:
    """The tree as a YAML document, under a comment of one line."""
    head = [f"# {comment}"] if comment else []
    return "\n".join([*head, *_lines(tree)]) + "\n"


def _lines(tree: Tree) -> Iterator[str]:
    if isinstance(tree, list):
        for item in tree:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _entry(key, value)
    else:
        yield _scalar(tree)


def _entry(key: str, value: Tree) -> Iterator[str]:
    if isinstance(value, str) and ("\n" in value or '"' in value):
        yield f"{key}: |-"
        yield from (f"  {line}" for line in value.splitlines())
    elif isinstance(value, list | Mapping):
        yield f"{key}:"
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key}: {_scalar(value)}"


def _scalar(value: str | float) -> str:
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)
