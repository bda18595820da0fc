"""Text that leaves: whatever a report says, it is visible, inert, in bounds and without the secrets in it."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_text_attacks import ATTACKS, INVISIBLE, MARKER, content, markdown_frame, mentions, tags
from triage.model import Report
from triage.text import body
from triage.text.cut import Unit, measure, truncate
from triage.text.flavours import FLAVOURS, HTML, MARKDOWN, SLACK, Flavour
from triage.text.neutral import clean, inert, line, tame
from triage.text.secrets import mask, mask_report

UNITS: tuple[Unit, ...] = ("characters", "bytes", "utf16")
KEY = "AKIA" + "IOSFODNN7QWERTYU"
SIGNS = [
    *"`~<>[]()!@#/\\*_-|{}&:\"'=\n\r\t $1aZ.",
    "```",
    "~~~",
    "\u200b",
    "\u200d",
    "\u202e",
    "\u0301",
    "\ufe0f",
    "\U0001f468",
]

pieces = st.lists(st.sampled_from(list(ATTACKS.values())) | st.sampled_from(SIGNS) | st.text(max_size=8), max_size=12)
hostile = pieces.map("".join)
valid = hostile.map(lambda text: text.encode(errors="ignore").decode().replace("\x00", ""))
flavours = st.sampled_from(list(FLAVOURS.values()))
limits = st.integers(0, 3_000)


@settings(deadline=None)
@given(hostile)
def test_nothing_invisible_survives(text: str) -> None:
    """Clean text has no invisible character, but for joiners and selectors in emoji and in scripts that need them."""
    shown = clean(text)
    assert not INVISIBLE.search(shown)
    assert not re.search("(?:^|[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?:$|[\x00-\x7f])", shown)
    assert not re.search("[\u0300-\u036f]{7}|\n(?:[ \t]*\n){3}", shown)


@settings(deadline=None)
@given(hostile)
def test_a_second_time_changes_nothing(text: str) -> None:
    """Cleaning, taming and masking what was cleaned, tamed and masked gives the same."""
    assert clean(clean(text)) == clean(text)
    assert inert(inert(text)) == inert(text)
    assert line(line(text)) == line(text)
    assert tame(tame(text)) == tame(text)


@settings(deadline=None)
@given(hostile, limits, st.sampled_from(UNITS))
def test_a_cut_fits(text: str, limit: int, unit: Unit) -> None:
    """A cut text is never over the limit, is whole if it fits, and else is a start of the text and a note."""
    shown = truncate(text, limit, unit)
    assert measure(shown, unit) <= limit
    assert (shown == text) == (measure(text, unit) <= limit)
    assert shown == text or text.startswith(shown.partition("…")[0])


@settings(deadline=None)
@given(hostile, flavours, limits)
def test_every_rendering_fits(text: str, flavour: Flavour, limit: int) -> None:
    """A ticket, a title and a notice are never over the limit in the system's unit, and the marker comes first."""
    ticket = body.ticket_body(content(text), flavour, limit, MARKER)
    assert measure(ticket, flavour.unit) <= limit
    assert ticket.endswith(MARKER) or limit < len(MARKER)
    assert measure(body.title({"title": text}, limit, flavour), flavour.unit) <= limit
    assert measure(body.notice_text({"text": text, "link": text}, flavour, limit), flavour.unit) <= limit


@settings(deadline=None)
@given(hostile)
def test_nobody_gets_out_of_a_fence(text: str) -> None:
    """A Markdown ticket has the frame of a harmless one, and no line that a quick action could be."""
    ticket = body.ticket_body(content(text), MARKDOWN, 60_000, MARKER)
    assert markdown_frame(ticket) == markdown_frame(body.ticket_body(content("x"), MARKDOWN, 60_000, MARKER))
    assert not re.search("(?m)^/", ticket)


@settings(deadline=None)
@given(hostile)
def test_no_tag_and_no_command_gets_through(text: str) -> None:
    """HTML has our tags only, Slack our link only, and a title mentions nobody."""
    page = body.ticket_body(content(text), HTML, 60_000, MARKER)
    assert tags(page) == tags(body.ticket_body(content("x"), HTML, 60_000, MARKER))
    message = body.ticket_body(content(text), SLACK, 60_000)
    assert re.findall("<[^>]*>?", message) == ["<https://tracker.example/7|tracker.example>"]
    assert not mentions(body.title({"title": text}, 255, MARKDOWN))


@settings(deadline=None)
@given(valid, valid)
def test_a_secret_never_gets_through(before: str, after: str) -> None:
    """Whatever stands around a key, it is masked, and masking again changes nothing that would show it."""
    shown = mask(clean(f"{before} {KEY} {after}"))
    assert KEY not in shown
    assert KEY not in mask(shown)


@settings(deadline=None)
@given(valid, st.integers(1, 2_000))
def test_masked_reports_stay_in_bounds(text: str, times: int) -> None:
    """A masked report is a valid report with the same key, and masking it again keeps it so."""
    long = text * times
    given_report = Report(
        source="mail",
        source_id="1",
        title=(f"t{long}")[:500],
        body=f"pwd=abcd {long}"[:100_000],
        reporter=long[:200],
        url=long[:2_000],
        labels=tuple(label for label in (long[:64],) if label),
    )
    shown = mask_report(given_report)
    assert Report.model_validate(shown.model_dump()) == shown
    assert shown.key == given_report.key
