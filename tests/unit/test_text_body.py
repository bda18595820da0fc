"""What tickets and notices say, as people read them."""

from dataclasses import replace

import pytest

from triage.text import adf, body
from triage.text.cut import measure
from triage.text.flavours import DISCORD, FLAVOURS, HTML, JIRA_WIKI, MARKDOWN, PLAIN, SLACK, TEAMS, TEXTILE, Flavour

CONTENT = {
    "title": "It crashes",
    "text": "When I save\n/close\nit crashes.",
    "origin": {
        "source": "sentry",
        "source_id": "42",
        "reporter": "bob",
        "url": "https://sentry.example/issues/1?x=`a`",
    },
    "why": "Rule crash: it says so.",
    "kind": "crash",
    "severity": "high",
    "component": "ui",
    "labels": ["ui"],
    "route": "on-call",
    "related": [{"id": "BUG-1", "url": "https://tracker.example/1", "title": "Crash"}],
}
MARKER = "<!-- m -->"
WHOLE = """**High crash** in `ui`

```text
When I save
 /close
it crashes.
```

Reported in `sentry` as `42` by `bob`: [sentry.example](<https://sentry.example/issues/1?x=%60a%60>)  \n\
Why: `Rule crash: it says so.`  \n\
Route: `on-call`  \n\
Possibly the same: `BUG-1` `Crash` [tracker.example](<https://tracker.example/1>)

<!-- m -->"""


def test_a_ticket_in_markdown() -> None:
    """A ticket says what it is, quotes the report, says where it comes from and why, and ends with the marker."""
    assert body.ticket_body(CONTENT, MARKDOWN, 65_536, MARKER) == WHOLE


def test_a_cut_ticket() -> None:
    """Only the report's text is cut, with a note inside the quotation."""
    text = body.ticket_body({**CONTENT, "text": "word " * 1_000}, MARKDOWN, 1_000, MARKER)
    assert text.startswith("**High crash** in `ui`\n\n```text\nword ")
    assert "characters shown; the report has them all] ``` Reported in" in " ".join(text.split())
    assert 900 < len(text) <= 1_000


def test_small_limits() -> None:
    """Without room for a quotation the footer goes first, then everything but the marker, then that too."""
    sizes = [body.ticket_body(CONTENT, MARKDOWN, limit, MARKER) for limit in (100, 20, 10, 3)]
    assert sizes[0].startswith("**High crash**") and sizes[0].endswith(f"```\n\n{MARKER}") and "Why" not in sizes[0]
    assert sizes[1:] == [MARKER, MARKER, "<!-"]


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=FLAVOURS)
def test_little_content(flavour: Flavour) -> None:
    """A report without a text, a component or an origin makes a ticket too."""
    text = body.ticket_body({"title": "", "severity": "low", "kind": "bug"}, flavour, 1_000)
    assert "low bug" in text.lower() and "(no description)" in text
    assert "Reported" not in text and "None" not in text
    assert body.title({}, 255, flavour).replace("\\", "") == "(no title)"


@pytest.mark.parametrize(
    ("flavour", "hostile", "shown"),
    [
        (JIRA_WIKI, "{noformat}[~a]", "{noformat}\n{ noformat}[ ~a]\n{noformat}"),
        (TEXTILE, "</pre>{{a}}", "<pre>\n< /pre>{ {a}}\n</pre>"),
        (HTML, "<b>&\"'@room", '<pre style="white-space: pre-wrap">&lt;b&gt;&amp;&quot;&#x27;@ room</pre>'),
        (SLACK, "<!here> ``` &", "```\n&lt;!here&gt; ''' &amp;\n```"),
        (DISCORD, "@everyone ```", "```text\n@ everyone '''\n```"),
        (TEAMS, "[a](b)\n\n<at>c</at>", "[a] (b)\n\n< at>c< /at>"),
        (PLAIN, "a\nb", "> a\n> b"),
        (MARKDOWN, "~~~\n````", "```text\n---\n''''\n```"),
        (MARKDOWN, "word " * 40, "```text\n" + ("word " * 24).strip() + "\n" + "word " * 16 + "\n```"),
    ],
)
def test_quotations(flavour: Flavour, hostile: str, shown: str) -> None:
    """Each flavour quotes in its own way, and lines that are too long are broken at a space."""
    assert flavour.quote(hostile) == shown


@pytest.mark.parametrize(
    ("flavour", "hostile", "shown"),
    [
        (MARKDOWN, "a `b`\n@c", "`a 'b' @ c`"),
        (JIRA_WIKI, "{a}|b #1", "&#123;a&#125;&#124;b &#35; 1"),
        (TEXTILE, "r12 commit:ab @x@", "r 12 commit: ab &#64; x&#64;"),
        (HTML, "<b>", "&lt;b&gt;"),
        (SLACK, "<@U1> `a", "&lt;@ U1&gt; 'a"),
        (DISCORD, "**a** <@1>", r"\*\*a\*\* \<@ 1\>"),
        (TEAMS, "[a](b) <at>", "[a] (b) < at>"),
        (PLAIN, "a\nb", "a b"),
    ],
)
def test_lines(flavour: Flavour, hostile: str, shown: str) -> None:
    """Each flavour has its own way to write one line that does nothing."""
    assert flavour.inline(hostile) == shown


@pytest.mark.parametrize(
    ("flavour", "shown"),
    [
        (SLACK, "*High* in ui: Crash &lt;b&gt;\n<https://tracker.example/1|tracker.example>"),
        (PLAIN, "HIGH in ui: Crash <b>\nhttps://tracker.example/1"),
        (TEAMS, "**High** in ui: Crash < b>\n\n[tracker.example](https://tracker.example/1)"),
    ],
)
def test_notices(flavour: Flavour, shown: str) -> None:
    """A notice says how bad it is, where, what, and has the ticket's link."""
    content = {"text": "t", "title": "Crash <b>", "severity": "high", "component": "ui"}
    assert body.notice_text({**content, "link": "https://tracker.example/1"}, flavour, 1_000) == shown


def test_notices_that_are_too_long() -> None:
    """The title is cut, not the link; without room for either nothing is said."""
    content = {"text": "word " * 200, "severity": "high", "link": "https://tracker.example/1"}
    assert body.notice_text(content, PLAIN, 60) == "HIGH: word word word word word wo…\nhttps://tracker.example/1"
    assert body.notice_text(content, PLAIN, 20) == "HIGH: word word wor…"
    assert body.notice_text(content, PLAIN, 3) == ""


def test_a_link_that_is_none() -> None:
    """A ticket's id instead of its address is shown as text."""
    assert body.notice_text({"text": "t", "link": "BUG-1"}, SLACK, 100) == "*Report*: t\nBUG-1"


def test_titles_fit_in_the_systems_unit() -> None:
    """A title is cut so that it fits after it was escaped, in the unit that the system counts."""
    assert body.title({"title": "**" * 300}, 100, DISCORD) == r"\*" * 49 + "…"
    narrow = replace(MARKDOWN, unit="bytes")
    shown = body.title({"title": "\u00e9" * 300}, 100, narrow)
    assert shown.endswith("\u00e9…") and measure(shown, "bytes") <= 100


def test_a_document() -> None:
    """A document for Jira Cloud has the same parts, each as plain text."""
    document = adf.ticket_document({**CONTENT, "related": []}, 32_767, "m")
    assert [node["type"] for node in document["content"]] == ["paragraph", "codeBlock", *["paragraph"] * 4]
    assert [node["content"][0]["text"] for node in document["content"]] == [
        "HIGH CRASH in ui",
        CONTENT["text"],
        "Reported in sentry as 42 by bob: https://sentry.example/issues/1?x=%60a%60",
        "Why: Rule crash: it says so.",
        "Route: on-call",
        "m",
    ]


def test_a_document_is_cut() -> None:
    """A document's JSON stays below the limit, and says that it was cut."""
    document = adf.ticket_document({**CONTENT, "text": '"\n' * 20_000}, 5_000)
    text = document["content"][1]["content"][0]["text"]
    assert text.endswith("of 40,000 characters shown; the report has them all]") and len(text) > 1_000
    assert adf.adf("")[0]["content"] == []
