"""Jira's lists of closed and of changed issues: a page begins behind the key of the last issue that was seen.

Keys do not move when issues change, so that nothing is missed while a list is read. Times are asked for relative to now
("-90m"): others are read in the time zone of whoever asks.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from triage.errors import Refused
from triage.model import Json
from triage.model.tickets import ClosedTicket
from triage.tools import marker
from triage.tools.trackers import pages
from triage.tools.trackers.answers import inner, texts

PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
KEY = re.compile(r"[A-Z][A-Z0-9_]*-[1-9][0-9]*")
CLOSED_FIELDS = ("summary", "description", "issuetype", "labels", "created")
STANDING_FIELDS = ("labels", "issuetype", "priority")
BLOCKS = {"paragraph", "heading", "codeBlock", "listItem", "tableRow", "blockquote", "hardBreak", "rule", "panel"}
"""Nodes of a document that begin a line."""


def closed(target: str, after: str) -> str:
    """The query for a project's closed issues below a key, the youngest first."""
    return f"{_project(target)} AND statusCategory = Done{_beyond('<', after)} ORDER BY key DESC"


def changed(target: str, since: datetime, after: str) -> str:
    """The query for our issues above a key that changed since then. The other clock's error is harmless."""
    minutes = int((datetime.now(UTC) - since) / timedelta(minutes=1)) + 1
    ours = f"{_project(target)} AND creator = currentUser() AND updated >= -{minutes}m"
    return f"{ours}{_beyond('>', after)} ORDER BY key ASC"


def following(issues: Sequence[Json]) -> str:
    """The key of the page's last issue; empty behind the last page."""
    key = str(issues[-1].get("key")) if issues else ""
    return key if KEY.fullmatch(key) else ""


def ticket(issue: Json) -> ClosedTicket:
    """A closed issue. Its type says what it is; a label like ours shows that it is ours, or a copy."""
    fields = inner(issue.get("fields"))
    described = fields.get("description")
    text = described if isinstance(described, str) else document_text(described)
    labels = texts(fields.get("labels"))
    return pages.ticket(
        issue.get("key"),
        fields.get("summary"),
        text,
        [inner(fields.get("issuetype")).get("name")],
        created=fields.get("created"),
        ours=any(marker.LABEL.fullmatch(label.lower()) for label in labels),
    )


def document_text(document: object) -> str:
    """The words of a document (ADF), a line for each block."""
    return "".join(_pieces(document)).strip()


def _pieces(document: object) -> Iterator[str]:
    waiting = [document]
    while waiting:  # not by recursion: how deep it is was decided by others
        node = inner(waiting.pop())
        if node.get("type") in BLOCKS:
            yield "\n"
        if isinstance(text := node.get("text"), str):
            yield text
        content = node.get("content")
        waiting += reversed(content) if isinstance(content, list) else []


def _project(target: str) -> str:
    if not PROJECT.fullmatch(target):
        raise Refused(f"{target!r} is no project's key, such as OPS")
    return f'project = "{target}"'


def _beyond(way: str, after: str) -> str:
    return f' AND key {way} "{after}"' if after else ""
