"""Comments of GitHub and notes of GitLab: a hidden comment ends their text, as it does an issue's.

Sources: GitHub's OpenAPI description (`issues/create-comment`, `issues/list-comments`), GitLab's "Notes API". GitHub
shows all comments of a repository in one list, which the sweep reads; GitLab has no such list, and is not swept.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from triage.model import Json, Marked, Request, Sent
from triage.text.comment import LONGEST, comment_body
from triage.text.flavours import MARKDOWN
from triage.tools import marker
from triage.tools.adapter import CLOCKS, compact
from triage.tools.trackers import common
from triage.tools.trackers.comments import Comments, link_to
from triage.tools.trackers.listed import Listed
from triage.tools.transport import Transport


class ListedComments(Comments):
    """What both have in common."""

    NAME: ClassVar[str]
    """Of the list in a URL."""

    def __init__(self, name: str, transport: Transport, tracker: Listed) -> None:
        """Touches no network."""
        super().__init__(name, transport, tracker)
        self._issues = tracker

    def render(self, request: Request) -> bytes:
        """Markdown."""
        hidden = marker.comment(request.key)
        return compact({"body": comment_body(request.content, MARKDOWN, LONGEST, hidden)})

    def comments(self, place: str, ticket: str) -> str:
        """See `Comments`."""
        return f"{self._issues.project(place)}/issues/{ticket}/{self.NAME}"

    def author(self, deadline: float) -> str:
        """Who files the issues."""
        return self._issues.author(deadline)

    def author_of(self, comment: Json) -> str:
        """Named as an issue's."""
        return self._issues.author_of(comment)

    def listed(self, request: Request) -> Iterator[Json]:
        """See `Comments`."""
        return self._issues.pages(self.comments(*self.asked(request)), self.query(request), request.deadline)

    def query(self, request: Request) -> dict[str, str]:
        """What to ask the list for."""
        raise NotImplementedError

    def key_of(self, comment: Json) -> str:
        """The hidden comment's."""
        text = comment.get("body")
        return marker.in_comment(text) if isinstance(text, str) else ""


class GitHubComments(ListedComments):
    """Comments on issues."""

    NAME: ClassVar[str] = "comments"

    def query(self, request: Request) -> dict[str, str]:
        """`since` is about the last change, which is never before the creation."""
        return {"since": common.ago(request.age + CLOCKS)}

    def sent(self, request: Request, comment: Json) -> Sent:  # noqa: ARG002 - the answer has a link
        """See `Comments`."""
        return common.made(comment, "id", comment.get("html_url"))

    def read(self, request: Request, sent: Sent) -> Json | None:
        """See `Comments`."""
        place, _ = self.asked(request)
        return self.one(f"{self._all(place)}/{quote(sent.remote_id, safe='')}", request.deadline)

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Our comments in every repository that the settings name."""
        us, query = self.author(deadline).casefold(), {"since": common.stamp(since), "sort": "created"}
        for place in self._issues.places:
            for comment in self._issues.pages(self._all(place), query, deadline):
                if self.author_of(comment).casefold() == us and (key := self.key_of(comment)):
                    made = common.listed(lambda one=comment: common.made(one, "id", one.get("html_url")))  # type: ignore[misc]
                    yield Marked(key, made.remote_id, made.remote_url)

    def _all(self, place: str) -> str:
        return f"{self._issues.project(place)}/issues/comments"


class GitLabComments(ListedComments):
    """Notes on issues."""

    NAME: ClassVar[str] = "notes"

    def query(self, request: Request) -> dict[str, str]:  # noqa: ARG002 - there is no narrower question
        """The youngest first."""
        return {"order_by": "created_at", "sort": "desc"}

    def sent(self, request: Request, comment: Json) -> Sent:
        """A note has no link of its own."""
        made = common.made(comment, "id", "")
        return Sent(made.remote_id, link_to(request, f"#note_{made.remote_id}"))

    def read(self, request: Request, sent: Sent) -> Json | None:
        """See `Comments`."""
        url = self.comments(*self.asked(request))
        return self.one(f"{url}/{quote(sent.remote_id, safe='')}", request.deadline)
