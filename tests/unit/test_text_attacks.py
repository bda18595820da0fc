"""Attacks by a report's text on the systems it is written to, and how to see whether one of them got through."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from triage.model import Json
from triage.text import adf, body
from triage.text.flavours import DISCORD, FLAVOURS, HTML, JIRA_WIKI, MARKDOWN, PLAIN, SLACK, TEAMS, TEXTILE, Flavour

MARKER = "<!-- triage-run:v1:0123456789abcdef -->"
ROOM = 60_000
INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b\u200e\u200f\u2028-\u202f\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
ATTACKS = {
    "mention": "@team please",
    "mention of all": "@all @everyone @here @channel @room",
    "mention behind a dot": "look .@team",
    "mention behind an accented letter": "\u00e9@team",
    "mention behind an invisible character": "@\u200bteam",
    "team mention": "cc @org/security-team",
    "mention in a link": "[hi](http://a.example/@team)",
    "slack channel": "<!channel> <!here> <!everyone>",
    "slack user": "<@U12345678> <@W1|ceo>",
    "slack group": "<!subteam^S123|@ops>",
    "slack link": "<http://evil.example|http://bank.example>",
    "slack date": "<!date^1^{date}^http://evil.example|x>",
    "slack entity": "&lt;!channel&gt;",
    "discord user": "<@123456789012345678> <@!1> <@&1>",
    "discord channel": "<#123> </close:1> <t:1> <:a:1>",
    "discord spoiler": "||boo|| -# small",
    "teams mention": "<at>Everyone</at> <at id='0'>Boss</at>",
    "jira mention": "[~admin] [ ~admin] [~accountid:1]",
    "jira macro": "{code}x{code} {color:red}a{color} {html}<b>{html}",
    "jira end of block": "{noformat}\n*out* [~admin] !http://evil.example/a.png!\n{noformat}",
    "jira end of block with parameters": "{noformat:nopanel=true}{NoFormat}{ noformat }",
    "jira escaped end": "\\{noformat} \\\\{noformat}\\",
    "jira image": "!http://evil.example/a.png|width=1!",
    "jira link": "[bank.example|http://evil.example]",
    "jira heading": "h1. Approved\nbq. by the CEO\n||a||b||",
    "redmine macro": "{{include(Secrets)}} {{{{a}}}} {{child_pages}}",
    "redmine end of block": '</pre>\n@admin "bank":http://evil.example !http://evil.example/a.png!\n<pre>',
    "redmine end of code": "</code></PRE ></pre\n><notextile><script>alert(1)</script></notextile>",
    "redmine references": "#12 r123 commit:abcdef source:x document#1 user:admin",
    "textile block": "p(evil#id). x\nnotextile. <b>\nbc.. y",
    "textile image": "!https://evil.example/a.png(x)!:https://evil.example",
    "issue": "#123 owner/repo#1 GH-1 AB#7",
    "closing word": "closes #1, fixes owner/repo#2, resolves GH-3",
    "merge request": "!12 group/project!3 &4 %5 ~6 $7 ^8",
    "issue address": "https://github.com/o/r/issues/1",
    "commit": "owner/repo@0123456789abcdef0123456789abcdef01234567",
    "quick action": "/close\n/assign @boss\n/label ~done\n/confidential",
    "quick action behind a fence": "```\nx\n```\n/close\n/assign me",
    "quick action behind a quote": ">>>\nx\n>>>\n/close",
    "quick action behind a tag": "<p>\nx\n</p>\n/close",
    "quick action after a carriage return": "x\r/close\r\n/close\u2028/close\x0b/close",
    "comment": "<!-- hidden --> shown <!-- open",
    "our marker": "<!-- triage-run:v1:0123456789abcdef -->",
    "our marker in capitals": "TRIAGE-RUN-0123456789abcdef",
    "our label": "triage-run-0123456789abcdef",
    "our subject": "[run:0123456789abcdef] [RUN:0123456789abcdef]",
    "our marker with an invisible character": "triage-\u200brun-0123456789abcdef tri\u00adage-run:v1:ff",
    "our marker twice": "triage-triage-runrun-0123456789abcdef",
    "tag": "<b>x</b> <details open><summary>x</summary></details>",
    "script": "<script>alert(1)</script>",
    "event": '<img src=x onerror="alert(1)">',
    "attribute": '" onmouseover="alert(1)" x="',
    "single quoted attribute": "' onmouseover='alert(1)' x='",
    "style": "<style>*{display:none}</style>",
    "svg": "<svg/onload=alert(1)>",
    "unclosed tag": "<a href='http://evil.example",
    "processing instruction": "<?php system('x') ?> <![CDATA[x]]> <!DOCTYPE x>",
    "entities": "&#60;script&#62;alert(1)&#60;/script&#62; &commat;team &#64;team",
    "image": "![x](https://evil.example/pixel.png)",
    "image by reference": "![x][y]\n\n[y]: https://evil.example/pixel.png",
    "link": "[https://bank.example](https://evil.example)",
    "link by reference": "[bank][b]\n[b]: https://evil.example 'x'",
    "footnote": "x[^1]\n\n[^1]: hidden",
    "script link": "[x](javascript:alert(1)) [y](data:text/html,x)",
    "autolink": "<https://evil.example> www.evil.example",
    "user in an address": "https://bank.example@evil.example/",
    "fence": "```\nout\n```",
    "long fence": "``````````\nout\n``````````",
    "open fence": "```",
    "tilde fence": "~~~\nout\n~~~~~~",
    "mixed fences": "~~~\n```\n@team\n~~~\n```",
    "fence by a greek accent": "\u1fef\u1fef\u1fef\nout\n\u1fef\u1fef\u1fef",
    "fence with invisible characters": "`\u200b`\u200b`\nout\n`\u2060``",
    "indented fence": "   ```\nout\n  ```",
    "fence in a quote": "> ```\n> out\n> ```\nout",
    "backticks": "` `` ``` ```` a ` b",
    "backslash at the end": "a \\",
    "heading": "# Approved\n===\n---\n***",
    "list": "- [x] done\n1. one\n* two",
    "table": "| a | b |\n|---|---|\n| c | d |",
    "front matter": "---\ntitle: x\nassignee: boss\n---",
    "table of contents": "[[_TOC_]]\n[TOC]\n::include{file=x.md}",
    "formulas": "$`a`$ $$a$$ ```math\nx\n```",
    "diagram": "```mermaid\ngraph TD; A-->B; click A 'https://evil.example'\n```",
    "header injection": "x\r\nBcc: all@example.org\r\n\r\n<b>",
    "mail quote": "\n> On Monday the CEO wrote:\n-- \nThe CEO",
    "our own frame": "Why: approved\n\nRoute: nobody",
    "right to left": "\u202egnp.exe \u2066x\u2069 \u200f",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe\u2060f",
    "tag characters": "hi\U000e0069\U000e0067\U000e006e",
    "variation selectors": "a\ufe00\ufe01\ufe0e\ufe0f\U000e0100\U000e01ef",
    "fillers": "\u3164\u115f\u1160\uffa0\u2800",
    "controls": "\x00\x07\x08\x1b[31mred\x1b[0m\x7f\x85\x9b",
    "surrogates": "\ud83d x \udc00",
    "zalgo": "z" + "\u0301\u0323\u0489" * 60,
    "blank lines": "a" + "\n \t" * 500 + "b",
    "one long word": "x" * 2_000,
    "one long line": "word " * 600,
    "template": "{{ 7*7 }} ${7*7} %(x)s {0} {text!r}",
}  # fmt: skip


def content(hostile: str) -> Json:
    """A ticket's content with this text wherever a report or a model can put text."""
    named = f"x {hostile} x"
    return {
        "title": named,
        "text": hostile,
        "origin": {"source": named, "source_id": named, "reporter": named, "url": f"not an address {named}"},
        "why": named,
        "kind": "crash",
        "severity": "high",
        "component": named,
        "labels": [],
        "route": named,
        "related": [{"id": named, "url": "https://tracker.example/7", "title": named}],
    }


def ticket(hostile: str, flavour: Flavour) -> str:
    """A ticket with this text everywhere, whole."""
    return body.ticket_body(content(hostile), flavour, ROOM, MARKER)


def markdown_frame(text: str) -> list[tuple[str, str, str]]:
    """What a CommonMark parser makes of it, without what stands in code."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    blocks = parser.parse(text)
    tokens = [token for block in blocks for token in (block.children or [block])]
    return [
        (token.type, str(token.attrs), "" if token.type in {"fence", "code_inline"} else token.content)
        for token in tokens
    ]


class Tags(HTMLParser):
    """The tags, attributes and comments of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[object] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a start tag."""
        self.seen.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        """Keep an end tag."""
        self.seen.append(tag)

    def handle_comment(self, data: str) -> None:
        """Keep a comment."""
        self.seen.append(data)

    def handle_decl(self, decl: str) -> None:
        """Keep a declaration."""
        self.seen.append(decl)

    def handle_pi(self, data: str) -> None:
        """Keep a processing instruction."""
        self.seen.append(data)


def tags(text: str) -> list[object]:
    """What a browser would find in it beside text."""
    return Tags(text).seen


def outside_noformat(text: str) -> list[str]:
    """What Jira would read as markup, with our links and the numeric entities taken out."""
    parts = re.split(r"(?i)\{noformat(?::[^}]*)?\}", text)
    return [re.sub(r"&#\d+;|\[tracker\.example\|https://tracker\.example/7\]", "", part) for part in parts[::2]]


def outside_pre(text: str) -> str:
    """What Redmine would read as Textile, with our link taken out."""
    bare = re.sub(r"(?is)<pre>.*?</pre>|&#\d+;|\"tracker\.example\":https://tracker\.example/7", "", text)
    return bare.removesuffix(MARKER)


def redmine_mentions(text: str, code: str) -> list[str]:
    """Whom Redmine would notify: its scanner takes out code with a pattern, not with a parser."""
    return re.findall(r"(?im)(?:^|[^A-Za-z0-9_])@([a-z0-9_.-]+)", re.sub(code, "", text))


def mentions(text: str) -> list[str]:
    """Whom a scanner that knows no markup at all would find mentioned."""
    return re.findall(r"(?i)(?:^|[^a-z0-9_])@([a-z0-9_]+)", text)


def count(sign: str) -> Callable[[str], object]:
    """How often this stands in a text."""
    return lambda text: text.lower().count(sign)


FRAMES = {
    "markdown": markdown_frame,
    "jira_wiki": count("{noformat"),
    "textile": tags,
    "html": tags,
    "slack": count("```"),
    "discord": count("```"),
    "teams": count("]("),
    "plain": lambda text: len(re.findall("(?m)^(?!> )", text)),
}
"""What must be complete in each flavour."""
attacks = pytest.mark.parametrize("hostile", ATTACKS.values(), ids=ATTACKS)
flavours = pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=FLAVOURS)


@attacks
def test_markdown_keeps_its_frame(hostile: str) -> None:
    """A parser finds the same blocks, links and tags in a hostile ticket as in a harmless one: all else is code."""
    assert markdown_frame(ticket(hostile, MARKDOWN)) == markdown_frame(ticket("hello", MARKDOWN))


@attacks
def test_gitlab_finds_no_command(hostile: str) -> None:
    """No line of a ticket in Markdown starts with a slash, which every quick action does."""
    assert not re.search(r"(?m)^/", ticket(hostile, MARKDOWN).replace("\r", "\n"))


@attacks
def test_redmine_notifies_nobody(hostile: str) -> None:
    """Redmine's own scanner finds no mention in a ticket, whichever of its two formats is configured."""
    assert redmine_mentions(ticket(hostile, MARKDOWN), r"(?s)(~~~|```).*?(~~~|```)") == []
    assert redmine_mentions(ticket(hostile, TEXTILE), r"(?s)<pre>.*?</pre>") == []


@attacks
def test_textile_keeps_its_frame(hostile: str) -> None:
    """Outside the one `<pre>` no sign of Textile is left, and inside it no tag and no macro can start."""
    text = ticket(hostile, TEXTILE)
    assert text.lower().count("<pre") == text.lower().count("</pre") == 1
    assert tags(text) == [("pre", []), "pre", MARKER[4:-3]]
    assert not re.search(r"[@!\[\]{}<>|_#\"]|\br\d", outside_pre(text))
    assert "{{" not in text


@attacks
def test_textile_is_safe_where_markdown_is_configured(hostile: str) -> None:
    """A CommonMark parser, too, finds no tag of the report's in a Textile ticket and no image."""
    parsed = markdown_frame(ticket(hostile, TEXTILE))
    raw = "".join(text for kind, _, text in parsed if kind in {"html_block", "html_inline"})
    assert tags(raw) == [("pre", []), "pre", MARKER[4:-3]]
    assert not [kind for kind, _, _ in parsed if kind in {"image", "link_open"}]


@attacks
def test_jira_keeps_its_frame(hostile: str) -> None:
    """A `{noformat}` block begins and ends once, no user is named anywhere, and outside nothing is markup."""
    text = ticket(hostile, JIRA_WIKI).removesuffix(MARKER)
    outside = outside_noformat(text)
    assert len(re.findall(r"(?i)\{noformat[:}]", text)) == 2
    assert "[~" not in text
    assert not re.search(r"[{}\[\]!_^~|@<>\\]", "".join(outside))


@attacks
def test_html_keeps_its_frame(hostile: str) -> None:
    """A browser finds the same tags and attributes in a hostile ticket as in a harmless one."""
    assert tags(ticket(hostile, HTML)) == tags(ticket("hello", HTML))


@attacks
def test_slack_gets_no_command(hostile: str) -> None:
    """The only angle brackets that Slack gets are those of our own link and marker, and its one block stays one."""
    text = ticket(hostile, SLACK).removesuffix(MARKER)
    assert re.findall("<[^>]*>?", text) == ["<https://tracker.example/7|tracker.example>"]
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)
    assert text.count("```") == 2
    outside = re.sub(r"(?s)```.*```|<https://tracker\.example/7\|tracker\.example>", "", text)
    assert not re.search(r"(?i)https?://\S|www\.\w", outside)  # Slack makes links of bare addresses


@attacks
def test_discord_keeps_its_frame(hostile: str) -> None:
    """The one block stays one, nobody is mentioned, and outside it every sign of Discord's markup is escaped."""
    text = ticket(hostile, DISCORD).removesuffix(MARKER)
    assert text.count("```") == 2
    assert not mentions(text)
    outside = re.sub(r"(?s)```.*```|\[tracker\.example\]\(<https://tracker\.example/7>\)|\*\*High crash\*\*", "", text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[*_~|`>#\[\]()<]", outside)


@attacks
def test_teams_gets_no_link_and_no_tag(hostile: str) -> None:
    """A card's text has no tag, no mention, and no link but our own."""
    text = ticket(hostile, TEAMS).removesuffix(MARKER)
    assert not re.search(r"<[A-Za-z/!?]", text)
    assert re.findall(r"\][(\[:]", text) == ["]("]
    assert not mentions(text)


@attacks
def test_plain_text_cannot_pass_for_ours(hostile: str) -> None:
    """In plain text each line of the report is marked as quoted, and the frame has as many lines as ever."""
    lines = ticket(hostile, PLAIN).split("\n")
    quoted = [one for one in lines if one.startswith("> ")]
    assert len(lines) - len(quoted) == ticket("hello", PLAIN).count("\n")


@attacks
def test_documents_hold_only_text(hostile: str) -> None:
    """An Atlassian document has the same nodes and marks whatever the report says, and no empty text."""

    def shape(node: Json) -> object:
        assert node.get("text") != ""
        assert set(node) <= {"type", "version", "attrs", "content", "text"}
        return node["type"], [shape(child) for child in node.get("content", [])]

    assert shape(adf.ticket_document(content(f"x{hostile}"), ROOM, MARKER)) == shape(
        adf.ticket_document(content("hello"), ROOM, MARKER)
    )


@attacks
@flavours
def test_nothing_invisible_and_no_marker_gets_through(hostile: str, flavour: Flavour) -> None:
    """In no flavour is an invisible character left, nor a marker other than the adapter's own."""
    written = [
        ticket(hostile, flavour).removesuffix(MARKER),
        body.title(content(hostile), 255, flavour),
        body.notice_text({**content(hostile), "link": hostile}, flavour, ROOM),
    ]
    for text in written:
        assert not INVISIBLE.search(text)
        assert not re.search(r"(?i)triage-run|\[run:", text)


@attacks
def test_titles_call_nobody(hostile: str) -> None:
    """A title for Markdown systems is one line without mention, reference, address or command."""
    title = body.title(content(hostile), 255, MARKDOWN)
    assert not mentions(title)
    assert not re.search(r"[#!&$%~^]\d|(?i:\bGH-\d)|://\S|[\r\n]|^/", title)
    assert 0 < len(title) <= 255


@attacks
@flavours
def test_every_cut_keeps_the_frame(hostile: str, flavour: Flavour) -> None:
    """However small the limit, the marker is there whole and the frame is complete or gone."""
    check = FRAMES[flavour.name]
    complete = [check(body.ticket_body(content("x"), flavour, limit, MARKER)) for limit in (60, 200, 700, ROOM)]
    for limit in (60, 300, 600, 1_000, 2_000, 5_000):
        text = body.ticket_body({**content("x"), "text": hostile * 50}, flavour, limit, MARKER)
        assert text.endswith(MARKER)
        assert check(text) in complete
