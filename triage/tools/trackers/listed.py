"""What GitHub and GitLab share: issues without a key of their own, found again in the list of those that we made.

A hidden comment ends the text of an issue and holds the key. Labels are for people: both drop them in silence where we
have not the right to set them. The lists are read by their author, as the searches lag.
"""

import secrets
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote, urlencode

from pydantic import Field

from triage.errors import NotSent, OutcomeUnknown
from triage.model import Json, Marked, Request, Sent, ToolSpec
from triage.model.tickets import ClosedTicket, Page, Standing
from triage.tools import marker
from triage.tools.adapter import CLOCKS, HttpAdapter
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, TokenSettings
from triage.tools.trackers import common, pages
from triage.tools.trackers.checks import Amiss
from triage.tools.transport import Transport

GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.MOVED_PERMANENTLY)
DELETED = "the issue is not there any more: it was deleted there, or moved"


class ListedSettings(TokenSettings, FindableSettings):
    """Of a tracker whose lists are read."""

    label: str = Field(default=common.LABEL, min_length=1, max_length=50, description="on every ticket")


class Listed(HttpAdapter):
    """A `Tool` that files issues; remote ids are the numbers that an issue has in its project."""

    TEXT: ClassVar[str]
    """The field of an issue that ends with the marker."""
    NUMBER: ClassVar[str]
    LINK: ClassVar[str]
    CLOSED: ClassVar[Mapping[str, str]]
    """What to ask the list for: all closed issues, the youngest first."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: ListedSettings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport)
        self._headers = [("Authorization", f"Bearer {common.checked_token(settings.token.get_secret_value())}")]
        self._label = settings.label
        self._places = common.places(settings)

    @abstractmethod
    def render(self, request: Request) -> bytes:
        """See `ports.Tool`."""

    @abstractmethod
    def project(self, target: str) -> str:
        """The URL of a target."""

    @abstractmethod
    def author(self, deadline: float) -> str:
        """Who we are, as the list wants to know it; raises `NotSent`."""

    @abstractmethod
    def author_of(self, issue: Json) -> str:
        """Who made an issue, in the same form."""

    @abstractmethod
    def query(self, author: str, since: str) -> dict[str, str]:
        """What to ask the list for: our issues in every state, the youngest first."""

    @abstractmethod
    def changed_query(self, author: str, since: str) -> dict[str, str]:
        """What to ask the list for: our issues in every state that changed since then, the oldest first."""

    @property
    def places(self) -> tuple[str, ...]:
        """Every target that the settings name."""
        return self._places

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The token."""
        return self._headers

    def send(self, request: Request) -> Sent:
        """Create the issue; see `ports.Tool`."""
        url = f"{self.project(request.target)}/issues"
        answer = self.write("POST", url, self.render(request), request.deadline, also=GONE[:2])
        if not answer.good:
            raise common.nowhere(request.target, answer)
        return self._sent(answer.fields())

    def find(self, request: Request) -> Sent | None:
        """Look through our own issues, the youngest first; see `ports.Tool`."""
        hits = self._issues(request.target, common.ago(request.age + CLOCKS), request.deadline)
        hit = next((issue for issue in hits if self._key(issue) == request.key), None)
        return None if hit is None else self._found(hit)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare marker and labels."""
        url = f"{self.project(request.target)}/issues/{quote(sent.remote_id, safe='')}"
        answer = self.ask(url, request.deadline, also=GONE)
        if not answer.good:
            return (DELETED,)
        issue = common.fields_of(answer)
        unmarked = () if self._key(issue) == request.key else (common.UNMARKED,)
        return (*unmarked, *common.left_out(self.labels(request), _labels_of(issue)))

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Our issues in every project that the settings name."""
        for place in self._places:
            for issue in self._issues(place, common.stamp(since), deadline):
                if key := self._key(issue):
                    sent = self._found(issue)
                    yield Marked(key, sent.remote_id, sent.remote_url)

    def closed(self, target: str, after: str, deadline: float) -> Page[ClosedTicket]:
        """A page of a project's closed issues, without pull requests; raises as `pages.read`."""
        items, onwards = self._page(target, self.CLOSED, after, deadline)
        return Page(tuple(self._closed(issue) for issue in items if "pull_request" not in issue), onwards)

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:
        """See `ports.Tool`. A copy of our marker in somebody else's issue does not count."""
        author = self.author(deadline)
        query = self.changed_query(author, common.stamp(since))
        items, onwards = self._page(target, query, after, deadline)
        ours = [issue for issue in items if self.author_of(issue).casefold() == author.casefold()]
        return Page(tuple(Standing(key, _texts_of(issue)) for issue in ours if (key := self._key(issue))), onwards)

    def labels(self, request: Request) -> list[str]:
        """Ours and the draft's."""
        return common.labels_of(request.content, self._label)

    def pages(self, url: str, query: dict[str, str], deadline: float) -> Iterator[Json]:
        """The objects of a list; raises `NotSent`, or `TooMany` behind its last page that is read."""

        def page(number: int) -> list[Json]:
            asked = urlencode({**query, "per_page": common.PAGE, "page": number})
            return common.items_of(self.ask(f"{url}?{asked}", deadline))

        return common.paged(page)

    def absent(self, place: str, deadline: float) -> str:
        """For the preflight: a key that nobody has used must not be found."""
        if self.find(Request(secrets.token_hex(32), place, {}, deadline)) is not None:
            raise Amiss("a key that nobody has used is found")
        return "a key that nobody has used is not found"

    def _issues(self, target: str, since: str, deadline: float) -> Iterator[Json]:
        """Ours, the youngest first; one of somebody else shows that the list is not filtered and proves nothing."""
        author = self.author(deadline)
        for issue in self.pages(f"{self.project(target)}/issues", self.query(author, since), deadline):
            if self.author_of(issue).casefold() != author.casefold():
                raise NotSent(f"{self.spec.name}: the look-up failed: issues of others are listed, too")
            if "pull_request" not in issue:
                yield issue

    def _page(self, target: str, query: Mapping[str, str], after: str, deadline: float) -> tuple[Sequence[Json], str]:
        page = pages.number(after)
        asked = urlencode({**query, "per_page": pages.PAGE, "page": page})
        items = common.items_of(pages.read(self, f"{self.project(target)}/issues?{asked}", deadline))
        return items, pages.following(page, items)

    def _closed(self, issue: Json) -> ClosedTicket:
        text = issue.get(self.TEXT)
        return pages.ticket(
            issue.get(self.NUMBER),
            issue.get("title"),
            text,
            _labels_of(issue),
            created=issue.get("created_at"),
            ours=isinstance(text, str) and bool(marker.in_lines(text)),
        )

    def _key(self, issue: Json) -> str:
        text = issue.get(self.TEXT)
        return marker.in_comment(text) if isinstance(text, str) else ""

    def _sent(self, issue: Json) -> Sent:
        return common.made(issue, self.NUMBER, issue.get(self.LINK))

    def _found(self, issue: Json) -> Sent:
        try:
            return self._sent(issue)
        except OutcomeUnknown as error:
            raise NotSent(f"{self.spec.name}: the look-up failed: {error}") from error


def _texts_of(issue: Json) -> tuple[str, ...]:
    return tuple(label for label in _labels_of(issue) if isinstance(label, str))


def _labels_of(issue: Json) -> list[object]:
    labels = issue.get("labels")
    found = labels if isinstance(labels, list) else []
    return [label.get("name") if isinstance(label, dict) else label for label in found]
