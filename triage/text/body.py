"""What a ticket and a notice say: one frame of our own words, the report's text inert inside it."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from triage.model import Json
from triage.text.cut import ELLIPSIS, NOTE, Unit, measure, truncate
from triage.text.flavours import Flavour
from triage.text.links import link
from triage.text.neutral import line

LONGEST_VALUE = 300
"""Characters of one value in the frame."""
MOST_RELATED = 5
RELATED_TITLE = 100
"""Characters of another ticket's title, so that five of them leave room for the report."""
NO_TEXT = "(no description)"
NO_TITLE = "(no title)"
LEAST_STEP = 16
"""Characters by which a text is shortened at least when it does not fit."""
NO_WORD = re.compile(r"[^A-Za-z0-9 -]")


def ticket_body(content: Json, flavour: Flavour, limit: int, marker: str = "") -> str:
    """The body of a ticket in this flavour, at most `limit` of the flavour's units, with the adapter's marker last.

    `content` is what `plan_ticket` planned: `text`, `kind`, `severity`, and perhaps `component`, `why`, `route`,
    `origin` (`source`, `source_id`, `reporter`, `url`) and `related` (each `id`, `url`, `title`). Where not all of it
    fits, the text is cut with a note. Where there is no room for a text at all, first the footer goes, then
    everything but the marker.
    """
    head, text = headline(content, flavour), str(content.get("text") or NO_TEXT)
    for foot in (footer(content, flavour), ""):
        rest = [part for part in (foot, marker) if part]
        body = fitted(text, limit, flavour.unit, _framing([head], flavour.quote, rest, flavour.gap))
        if body is not None:
            return body
    return truncate(marker, limit, flavour.unit, note="")


def title(content: Json, limit: int, flavour: Flavour) -> str:
    """The title of a ticket: one line that is never empty, at most `limit` of the flavour's units."""
    given = line(str(content.get("title", ""))) or NO_TITLE
    return fitted(given, limit, flavour.unit, flavour.title, note=ELLIPSIS) or ""


def notice_text(content: Json, flavour: Flavour, limit: int) -> str:
    """A notice: what it is, its title, and the ticket's link; at most `limit` of the flavour's units.

    `content` is what `plan_notice` planned: `title` (or `text`), `link`, `severity`, and perhaps `kind`, `component`.
    Where there is no room for a title at all the link goes, and then everything.
    """
    head, named = headline(content, flavour), str(content.get("title") or content.get("text") or NO_TITLE)
    for where in (address(str(content.get("link", "")), flavour), ""):
        after = [where] if where else []
        render = _framing([], lambda text: f"{head}: {flavour.inline(text)}", after, flavour.newline)
        notice = fitted(named, limit, flavour.unit, render, note=ELLIPSIS)
        if notice is not None:
            return notice
    return ""


def headline(content: Json, flavour: Flavour) -> str:
    """Severity, kind and component, for people who look once."""
    words = NO_WORD.sub("", f"{content.get('severity', '')} {content.get('kind', '')}").strip()
    component = _inline(content.get("component"), flavour)
    return flavour.strong(words.capitalize() or "Report") + (f" in {component}" if component else "")


def footer(content: Json, flavour: Flavour) -> str:
    """Where the report comes from, why it was decided so, whom it was routed to, and what it may repeat."""
    return flavour.newline.join(_footer(content, flavour))


def address(url: str, flavour: Flavour) -> str:
    """A link that shows its host if the address may be one, else the address as text."""
    safe = link(url)
    return _inline(url, flavour) if safe is None else flavour.link(safe.url, safe.host)


def fitted(text: str, limit: int, unit: Unit, render: Callable[[str], str], note: str = NOTE) -> str | None:
    """The rendering of the whole text, or of as much of it as makes it fit; None if not even that of none fits.

    What was rendered is never cut itself: that could cut off the end of a quotation.
    """
    room, rendered, frame = measure(text, unit), render(text), measure(render(""), unit)
    while (size := measure(rendered, unit)) > limit:
        if room <= 0 or frame > limit:
            return None
        room = max(0, min(room - LEAST_STEP, room * (limit - frame) // max(1, size - frame)))
        rendered = render(truncate(text, room, unit, note=note))
    return rendered


def _framing(
    before: Sequence[str], quote: Callable[[str], str], after: Sequence[str], gap: str
) -> Callable[[str], str]:
    return lambda text: gap.join([*before, quote(text), *after])


def _footer(content: Json, flavour: Flavour) -> Iterator[str]:
    given = content.get("origin")
    origin: Json = given if isinstance(given, dict) else {}
    source, name = _inline(origin.get("source"), flavour), _inline(origin.get("source_id"), flavour)
    reporter, url = _inline(origin.get("reporter"), flavour), str(origin.get("url") or "")
    if source:
        by = f" by {reporter}" if reporter else ""
        yield f"Reported in {source} as {name}{by}" + (f": {address(url, flavour)}" if url else "")
    if why := _inline(content.get("why"), flavour):
        yield f"Why: {why}"
    if route := _inline(content.get("route"), flavour):
        yield f"Route: {route}"
    for one in _objects(content.get("related"))[:MOST_RELATED]:
        yield f"Possibly the same: {_related(one, flavour)}"


def _related(one: Json, flavour: Flavour) -> str:
    """Another ticket; its title is as little to be trusted as the report."""
    called = _inline(truncate(str(one.get("title") or ""), RELATED_TITLE, note=ELLIPSIS), flavour)
    parts = (_inline(one.get("id"), flavour), called, address(str(one.get("url") or ""), flavour))
    return " ".join(part for part in parts if part)


def _objects(value: Any) -> list[Json]:  # noqa: ANN401 - a value of a JSON object
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _inline(value: Any, flavour: Flavour) -> str:  # noqa: ANN401 - a value of a JSON object
    return flavour.inline(truncate(str(value), LONGEST_VALUE, note=ELLIPSIS)) if value else ""
