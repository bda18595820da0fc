"""One flavour per family of systems: how hostile text becomes inert there, as a block and as one line.

What each flavour relies on is said at its functions. Every one starts from `neutral.inert`, so no invisible character
and no marker of ours gets through. Adapters still have to switch off what only the request can: Slack `link_names`
false and `unfurl_links` false, Discord `allowed_mentions` `{"parse": []}`, Teams no `msteams.entities` for such text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from triage.text.cut import Unit
from triage.text.neutral import inert, line, tame, unmention

WIDTH = 120
"""Characters after which a line in a block is broken at a space: blocks are shown without wrapping."""

FENCES = regex.compile(r"`{3,}+|~{3,}+")
COMMAND = regex.compile(r"(?m)^(?=/)")
NOFORMAT = regex.compile(r"(?i)\{(?=\s*(?:noformat|code)\b)|\[(?=\s*~)")
TAG = regex.compile(r"<(?=[A-Za-z/!?])")
MACRO = regex.compile(r"\{(?=\{)")
REVISION = regex.compile(r"(?i)\b(r)(?=\d)")
WIKI_SPECIAL = regex.compile(r"""[&{}\[\]!*_^~+?|#@\\<>"=%-]""")
DISCORD_SPECIAL = regex.compile(r"([\\*_~|`>#\[\]()<:-])")
TEAMS_LINK = regex.compile(r"\](?=[(\[:])")


@dataclass(frozen=True, slots=True)
class Flavour:
    """How to write for one family of systems.

    `quote` makes an inert block of hostile text, `inline` one inert line of it, `strong` emphasises our own words,
    `link` takes a percent-encoded http(s) address and its host. `unit` is how the systems count their limits, and
    `gap` parts two blocks, `newline` two lines.
    """

    name: str
    quote: Callable[[str], str]
    inline: Callable[[str], str]
    strong: Callable[[str], str]
    link: Callable[[str, str], str]
    title: Callable[[str], str] = tame
    unit: Unit = "characters"
    newline: str = "\n"
    gap: str = "\n\n"


def markdown(text: str) -> str:
    """A fenced code block for GitHub, GitLab, Azure DevOps, Linear and Redmine's CommonMark.

    In it mentions, references, HTML, images and links are inert. Runs of three or more backticks or tildes become
    apostrophes or hyphens, so nobody who looks for fences with a pattern (Redmine's and GitLab's scanners do) can see
    another end of the block than a parser does, and a line never starts with a slash, as GitLab's commands must.
    """
    return f"```text\n{_block(FENCES.sub(_other_run, inert(text)))}\n```"


def markdown_line(text: str) -> str:
    """A code span. Mentions are separated too: Redmine looks for them in code spans."""
    flat = unmention(line(text)).replace("`", "'")
    return f"`{flat}`" if flat else ""


def jira_wiki(text: str) -> str:
    """A `{noformat}` block for Jira Data Center, which nothing in it can end; `[~user]` is separated as well."""
    return f"{{noformat}}\n{_block(NOFORMAT.sub(_spaced, inert(text)))}\n{{noformat}}"


def wiki_line(text: str) -> str:
    """Text for Jira's wiki markup and Redmine's Textile: what could be markup is written as a numeric entity."""
    return WIKI_SPECIAL.sub(_entity, REVISION.sub(r"\1 ", tame(text)).replace("commit:", "commit: "))


def textile(text: str) -> str:
    """A `<pre>` block that is inert in Redmine's Textile and, should that be configured, in its CommonMark.

    No tag can start in it, so it cannot be ended and holds no image; macros (`{{...}}`) are separated because Redmine
    collects them before it looks for blocks. References and mentions are not looked for in `<pre>`.
    """
    return f"<pre>\n{_block(FENCES.sub(_other_run, MACRO.sub('{ ', TAG.sub('< ', inert(text)))))}\n</pre>"


def html(text: str) -> str:
    """A `<pre>` of escaped text for RT, e-mail and Matrix; mentions are separated, for Matrix knows `@room` in text."""
    return f'<pre style="white-space: pre-wrap">{_escaped(unmention(inert(text)))}</pre>'


def html_line(text: str) -> str:
    """Escaped text on one line, good for attributes too."""
    return _escaped(unmention(line(text)))


def slack(text: str) -> str:
    """A code block of Slack's mrkdwn: with `&`, `<` and `>` escaped there is no mention, no channel and no link."""
    return f"```\n{_slack_escaped(FENCES.sub(_other_run, inert(text)))}\n```"


def slack_line(text: str) -> str:
    """One line of Slack's mrkdwn, in which nothing calls anybody and no address can be clicked.

    Backticks become apostrophes: an odd one would pair up with the block's.
    """
    return _slack_escaped(tame(text).replace("`", "'"))


def discord(text: str) -> str:
    """A code block for Discord, in which neither markup nor mentions are read; it cannot be ended."""
    return f"```text\n{_block(FENCES.sub(_other_run, unmention(inert(text))))}\n```"


def discord_line(text: str) -> str:
    """One line for Discord: every sign of its markup escaped, mentions and bare addresses separated."""
    return DISCORD_SPECIAL.sub(r"\\\1", tame(text))


def teams(text: str) -> str:
    """Text for a TextBlock of an Adaptive Card: no link with another text than its address, no `<at>` or other tag.

    It does not rely on escapes, which Teams' clients read differently: a space parts what would be markup. A
    RichTextBlock's TextRun reads no markup at all and is better where its looks will do.
    """
    lines = _teams_separated(unmention(inert(text))).split("\n")
    return "\n\n".join(part for part in lines if part)


def teams_line(text: str) -> str:
    """One such line."""
    return _teams_separated(unmention(line(text)))


def plain(text: str) -> str:
    """Text for plain-text mail and pagers, each line behind a `> `, so that it cannot pass for ours."""
    return "> " + "\n".join(_wrapped(inert(text))).replace("\n", "\n> ")


def _block(text: str) -> str:
    return COMMAND.sub(" ", "\n".join(_wrapped(text)))


def _wrapped(text: str) -> Iterator[str]:
    for long in text.split("\n"):
        start = 0
        while len(long) - start > WIDTH:
            end = long.rfind(" ", start + 1, start + WIDTH + 1)
            end = end if end > 0 else long.find(" ", start + WIDTH)
            if end < 0:
                break
            yield long[start:end]
            start = end + 1
        yield long[start:]


def _other_run(found: regex.Match[str]) -> str:
    return found[0].translate({ord("`"): "'", ord("~"): "-"})


def _spaced(found: regex.Match[str]) -> str:
    return f"{found[0]} "


def _entity(found: regex.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(text: str) -> str:
    return _slack_escaped(text).replace('"', "&quot;").replace("'", "&#x27;")


def _teams_separated(text: str) -> str:
    return TAG.sub("< ", TEAMS_LINK.sub("] ", FENCES.sub(_other_run, text)))


MARKDOWN = Flavour(
    "markdown",
    markdown,
    markdown_line,
    lambda words: f"**{words}**",
    lambda url, host: f"[{host}](<{url}>)",
    newline="  \n",  # two spaces: a bare newline is no line break in GitLab and Azure DevOps
)
JIRA_WIKI = Flavour(
    "jira_wiki",
    jira_wiki,
    wiki_line,
    lambda words: f"*{words}*",
    lambda url, host: f"[{host}|{url}]",
    title=line,
    unit="utf16",
)
TEXTILE = Flavour(
    "textile",
    textile,
    wiki_line,
    lambda words: f"*{words}*",
    lambda url, host: f'"{host}":{url}',
    title=line,
)
HTML = Flavour(
    "html",
    html,
    html_line,
    lambda words: f"<strong>{words}</strong>",
    lambda url, host: f'<a href="{_escaped(url)}">{host}</a>',
    title=line,
    newline="<br>\n",
    gap="<br>\n",
)
SLACK = Flavour(
    "slack",
    slack,
    slack_line,
    lambda words: f"*{words}*",
    lambda url, host: f"<{_slack_escaped(url)}|{host}>",
    title=slack_line,
    unit="utf16",
)
DISCORD = Flavour(
    "discord",
    discord,
    discord_line,
    lambda words: f"**{words}**",
    lambda url, host: f"[{host}](<{url}>)",
    title=discord_line,
    unit="utf16",
)
TEAMS = Flavour(
    "teams",
    teams,
    teams_line,
    lambda words: f"**{words}**",
    lambda url, host: f"[{host}]({url})",
    title=teams_line,
    unit="bytes",
    newline="\n\n",
)
PLAIN = Flavour("plain", plain, line, str.upper, lambda url, _: url, title=line)
FLAVOURS = {one.name: one for one in (MARKDOWN, JIRA_WIKI, TEXTILE, HTML, SLACK, DISCORD, TEAMS, PLAIN)}
"""All flavours by name, for settings."""
