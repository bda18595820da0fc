"""What a comment says on the ticket that an identical report has already: where it came from again, and what is new."""

import json

from triage.model import Json
from triage.text import adf, body
from triage.text.cut import ELLIPSIS, truncate
from triage.text.flavours import PLAIN, Flavour

LONGEST = 20_000
"""Units of a whole comment: the tickets' own bounds are much higher, but nobody reads a thread of such comments."""
SAME = {"text": "with the same text", "trace": "with the same stack trace"}


def comment_body(content: Json, flavour: Flavour, limit: int, marker: str) -> str:
    """The comment in this flavour, at most `limit` of the flavour's units, with the adapter's marker last.

    `content` is what `plan_comment` planned: a ticket's, and `same_as` with `why` the two are the same. Where their
    texts differ, the new report's title and text stand below; the text is cut with a note where it is too long.
    """
    head = [_head(content, flavour), *_source(content, flavour)]
    text, named = _news(content)
    if not named:
        return flavour.gap.join([*head, marker])

    def framed(shown: str) -> str:
        return flavour.gap.join([*head, flavour.inline(named), flavour.quote(shown), marker])

    fitting = body.fitted(text, limit, flavour.unit, framed)
    return truncate(marker, limit, flavour.unit, note="") if fitting is None else fitting


def comment_document(content: Json, limit: int, marker: str) -> Json:
    """The same as a document of Jira Cloud; `limit` bounds the characters of its JSON."""
    above = [_head(content, PLAIN), *_source(content, PLAIN)]
    text, named = _news(content)
    head, foot = [adf.adf_line(one) for one in above], adf.adf_line(marker)

    def framed(shown: str) -> str:
        news = [adf.adf_line(PLAIN.inline(named)), *adf.adf(shown)] if named else []
        return json.dumps({"type": "doc", "version": 1, "content": [*head, *news, foot]}, ensure_ascii=False)

    document: Json = json.loads(body.fitted(text, limit, "characters", framed) or framed(""))
    return document


def _head(content: Json, flavour: Flavour) -> str:
    original = content.get("same_as")
    why = SAME.get(str(original.get("why")), "") if isinstance(original, dict) else ""
    return flavour.strong("Reported again") + (f", {why}" if why else "")


def _source(content: Json, flavour: Flavour) -> list[str]:
    """System, id, reporter and link, in the words of a ticket's footer."""
    told = body.footer({"origin": content.get("origin")}, flavour)
    return [told] if told else []


def _news(content: Json) -> tuple[str, str]:
    """Text and title of the new report; both empty where the original has the same."""
    original = content.get("same_as")
    if isinstance(original, dict) and original.get("why") == "text":
        return "", ""
    title = truncate(str(content.get("title") or body.NO_TITLE), body.LONGEST_VALUE, note=ELLIPSIS)
    return str(content.get("text") or body.NO_TEXT), title
