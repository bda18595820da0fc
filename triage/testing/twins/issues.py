"""What the twins of GitHub and GitLab share: numbered issues of one project."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from triage.testing.twins.base import Asked, Reply, Twin
from triage.tools import marker

TOKEN = "twin-token-0123456789"  # noqa: S105 - opens nothing
LONGEST_PAGE = 100
"""No page has more objects."""


def now() -> str:
    """As both write times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Issue:
    """One issue; `key` is that of the text as it was sent, whatever was kept of it."""

    number: int
    title: str
    text: str
    labels: list[str]
    author: str
    key: str = ""
    pull: bool = False
    state: str = "open"
    made: float = field(default_factory=time.monotonic)
    created: str = field(default_factory=now)
    changed: str = ""

    @property
    def updated(self) -> str:
        """When it was changed last."""
        return self.changed or self.created


@dataclass(slots=True)
class Comment:
    """A comment on an issue; `key` is that of the text as it was sent."""

    number: int
    issue: int
    text: str
    author: str
    key: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class IssueTwin(Twin):
    """Issues of one project, and switches for what the real ones do.

    `labels_allowed`: without it labels are dropped in silence. `keeps_marker`: without it comments are cut out of
    texts. `filters`: without it the list ignores whose issues were asked for. `locked` are numbers of issues that take
    no comments.
    """

    def __init__(self, project: str, me: str) -> None:
        """`me` is whom the token belongs to. There are already an issue of somebody else and a pull request of ours."""
        super().__init__()
        self.project = project
        self.me = me
        self.labels_allowed = True
        self.keeps_marker = True
        self.filters = True
        self.labels = ["ui", "bug"]
        self.gone: set[int] = set()
        self.issues: list[Issue] = []
        self.comments: list[Comment] = []
        self.locked: set[int] = set()
        self.add("Somebody else's", "a body", [], author="2")
        self.add("A pull request", "its body", [], pull=True)

    def add(self, title: str, text: str, labels: list[str], *, author: str = "", pull: bool = False) -> Issue:
        """Make an issue."""
        key = marker.in_comment(text)
        kept = text if self.keeps_marker else marker.COMMENT.sub("", text)
        named = labels if self.labels_allowed else []
        self.labels += [label for label in named if label not in self.labels]
        issue = Issue(len(self.issues) + 1, title, kept, named, author or self.me, key, pull)
        self.issues.append(issue)
        return issue

    def answer(self, asked: Asked) -> Reply:
        """Nothing is said to those who have not the token."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"message": "401 Unauthorized: Bad credentials"})
        return super().answer(asked)

    def comment(self, issue: Issue, text: str, author: str = "") -> Comment:
        """Make a comment."""
        kept = text if self.keeps_marker else marker.COMMENT.sub("", text)
        number = 5000 + len(self.comments)
        self.comments.append(Comment(number, issue.number, kept, author or self.me, marker.in_comment(text)))
        return self.comments[-1]

    def comments_with(self, key: str) -> list[str]:
        """The ids of the comments that were really made with this key, and not deleted since."""
        return [str(one.number) for one in self.comments if one.key == key and one.number not in self.gone]

    def comment_of(self, number: str) -> Comment | None:
        """One of those that are there, as long as their issue is."""
        there = (one for one in self.comments if not {one.number, one.issue} & self.gone)
        return next((one for one in there if str(one.number) == number), None)

    def objects(self, key: str) -> list[str]:
        """See `Twin`."""
        return [str(issue.number) for issue in self.issues if issue.key == key and issue.number not in self.gone]

    def delete(self, remote_id: str) -> None:
        """See `Twin`."""
        self.gone.add(int(remote_id))

    def relabel(self, number: str, *labels: str) -> None:
        """Give an issue these labels and no others, as a person does."""
        with self.lock:
            issue = self.issues[int(number) - 1]
            issue.labels, issue.changed = list(labels), now()

    def close(self, number: str) -> None:
        """Close an issue, as a person does."""
        with self.lock:
            issue = self.issues[int(number) - 1]
            issue.state, issue.changed = "closed", now()

    def issue(self, number: str) -> Issue | None:
        """One of those that are there."""
        there = (issue for issue in self.issues if issue.number not in self.gone)
        return next((issue for issue in there if str(issue.number) == number), None)

    def listed(self, wanted: Callable[[Issue], bool], order: str = "desc") -> list[Issue]:
        """Those that the list shows, the youngest first, or with `asc` the oldest."""
        ordered = self.issues if order == "asc" else reversed(self.issues)
        there = [issue for issue in ordered if issue.number not in self.gone]
        return [issue for issue in there if self.indexed(issue.made) and wanted(issue)]


def page(asked: Asked, items: list[object], usual: int) -> Reply:
    """The page that is asked for."""
    size = min(int(asked.query.get("per_page", usual)), LONGEST_PAGE)
    start = (int(asked.query.get("page", 1)) - 1) * size
    return Reply(200, items[start : start + size])
