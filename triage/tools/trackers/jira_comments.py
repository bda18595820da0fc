"""Comments of Jira Cloud and Jira Data Center.

The marker is the visible last line: the comments of an issue are listed without their properties, and a hit counts only
if the key stands in what came back. The list comes from the database, not from the index. Sources: Jira's OpenAPI
document 1001.0.0, `addComment`, `getComments`; Data Center's REST documentation, `issue/{key}/comment`. The sweep does
not look for comments: there is no list of them but each issue's own.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote

from triage.errors import NotSent
from triage.model import Json, Request, Sent
from triage.text.comment import LONGEST
from triage.tools import marker
from triage.tools.adapter import compact
from triage.tools.trackers import common
from triage.tools.trackers.answers import inner, inners, object_of, objects_of
from triage.tools.trackers.comments import Comments, last_line, link_to
from triage.tools.trackers.jira import KEY, Jira
from triage.tools.transport import Transport


class JiraComments(Comments):
    """`write` makes a comment's text of a draft, a limit and a marker, as the edition takes it."""

    TICKET: ClassVar[re.Pattern[str]] = KEY

    def __init__(
        self, name: str, transport: Transport, tracker: Jira, write: Callable[[Json, int, str], object]
    ) -> None:
        """Touches no network."""
        super().__init__(name, transport, tracker)
        self._jira = tracker
        self._write = write

    def render(self, request: Request) -> bytes:
        """Text or document."""
        return compact({"body": self._write(request.content, LONGEST, marker.line(request.key))})

    def comments(self, place: str, ticket: str) -> str:  # noqa: ARG002 - an issue's key says its project
        """See `Comments`."""
        return self._jira.address(f"issue/{ticket}/comment")

    def author(self, deadline: float) -> str:
        """Asked each time: with a token that is not valid any more Jira may take us for anybody."""
        us = _named(object_of(self.ask(self._jira.address("myself"), deadline)))
        if not us:
            raise NotSent(f"{self.spec.name}: the look-up failed: Jira does not say who we are")
        return us

    def author_of(self, comment: Json) -> str:
        """The id of its account, in Data Center its key."""
        return _named(inner(comment.get("author")))

    def listed(self, request: Request) -> Iterator[Json]:
        """The youngest first."""
        return common.paged(partial(self._page, *self.asked(request), request.deadline))

    def _page(self, place: str, ticket: str, deadline: float, number: int) -> list[Json]:
        start = (number - 1) * common.PAGE
        asked = f"startAt={start}&maxResults={common.PAGE}&orderBy=-created"
        return objects_of(self.ask(f"{self.comments(place, ticket)}?{asked}", deadline), "comments")

    def key_of(self, comment: Json) -> str:
        """The last line's."""
        found = marker.LINE.fullmatch(last_line(_text(comment.get("body"))))
        return found[1] if found else ""

    def sent(self, request: Request, comment: Json) -> Sent:
        """A comment has no link of its own."""
        made = common.made(comment, "id", "")
        return Sent(made.remote_id, link_to(request, f"?focusedCommentId={made.remote_id}"))

    def read(self, request: Request, sent: Sent) -> Json | None:
        """See `Comments`."""
        url = self.comments(*self.asked(request))
        return self.one(f"{url}/{quote(sent.remote_id, safe='')}", request.deadline)


def _named(account: Json) -> str:
    names = (account.get(name) for name in ("accountId", "key", "name"))
    return next((name for name in names if isinstance(name, str) and name), "")


def _text(body: Any) -> str:  # noqa: ANN401 - a field of an answer
    """A text, or the last block of a document."""
    if isinstance(body, str):
        return body
    blocks = inners(inner(body).get("content"))
    return "".join(str(part.get("text", "")) for part in inners(blocks[-1].get("content"))) if blocks else ""
