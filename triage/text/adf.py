"""The Atlassian Document Format of Jira Cloud: JSON nodes, in whose text nothing is interpreted."""

import json

from triage.model import Json
from triage.text import body
from triage.text.cut import truncate
from triage.text.flavours import PLAIN
from triage.text.neutral import inert


def adf(text: str) -> list[Json]:
    """Hostile text as a code block, the one node in which neither mentions nor links are ever made."""
    shown = inert(text)
    return [{"type": "codeBlock", "attrs": {"language": "text"}, "content": [_text(shown)] if shown else []}]


def adf_line(text: str) -> Json:
    """Words as a paragraph of plain text."""
    return {"type": "paragraph", "content": [_text(text)] if text else []}


def ticket_document(content: Json, limit: int, marker: str = "") -> Json:
    """The ticket's body as a document; `limit` bounds the characters of its JSON. See `body.ticket_body`."""
    foot = [adf_line(one) for one in (*body.footer(content, PLAIN).split("\n"), marker) if one]
    head = adf_line(body.headline(content, PLAIN))
    text = str(content.get("text") or body.NO_TEXT)
    document = _document([head, *adf(text), *foot])
    room = len(text)
    while (size := len(json.dumps(document, ensure_ascii=False))) > limit and room > 0:
        room = max(0, min(room - body.LEAST_STEP, room * limit // size))
        document = _document([head, *adf(truncate(text, room)), *foot])
    return document


def _document(nodes: list[Json]) -> Json:
    return {"type": "doc", "version": 1, "content": nodes}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
