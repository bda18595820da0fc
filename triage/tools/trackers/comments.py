"""Comments on tickets that are there already: what the trackers' commenting tools share.

A commenting tool stands beside the tool that files tickets, and uses its connection, credentials and limits. Findable:
the marker ends the comment's text, and is looked for in the list of that one ticket's comments, by their author; such
lists are read from the systems' databases, so that nothing lags but the call itself. Targets are those of `on_ticket`.

A ticket that was deleted, or is closed to comments, refuses the call; the run then files a ticket of its own. Where the
first call's outcome is unknown by then, nobody can say whether it was made before: a person decides. What remains: a
comment that a person deleted, or whose last line was edited, is taken for absent.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar

from triage.errors import NotSent, Refused
from triage.model import Json, Request, Sent, ToolSpec, ticket_in
from triage.tools.adapter import HttpAdapter, usable_link
from triage.tools.connection import Headers
from triage.tools.trackers import common
from triage.tools.transport import Answer, Transport, failure

GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
DELETED = "the comment is not there any more: it was deleted there, or its ticket was"


class Comments(HttpAdapter):
    """A `Tool` that comments; remote ids are those that the system gives comments."""

    METHOD: ClassVar[str] = "POST"
    TICKET: ClassVar[re.Pattern[str]] = re.compile(r"[1-9][0-9]{0,18}")
    """How this system names tickets: what looks otherwise would lead elsewhere."""

    def __init__(self, name: str, transport: Transport, tracker: HttpAdapter) -> None:
        """`tracker` files the tickets; touches no network."""
        super().__init__(beside(tracker.spec, name), transport)
        self._tracker = tracker

    @abstractmethod
    def render(self, request: Request) -> bytes:
        """See `ports.Tool`."""

    @abstractmethod
    def comments(self, place: str, ticket: str) -> str:
        """The URL that a ticket's comments are sent to."""

    @abstractmethod
    def author(self, deadline: float) -> str:
        """Who we are, as a comment names its author; raises `NotSent`, also when nobody signed us in."""

    @abstractmethod
    def author_of(self, comment: Json) -> str:
        """Who made a comment, in the same form."""

    @abstractmethod
    def listed(self, request: Request) -> Iterator[Json]:
        """The comments of the request's ticket, at least those made since it was first sent; raises `NotSent`."""

    @abstractmethod
    def key_of(self, comment: Json) -> str:
        """The key that ends a comment's text; empty if none does."""

    @abstractmethod
    def sent(self, request: Request, comment: Json) -> Sent:
        """The object of an answer; raises `OutcomeUnknown` if it has no id that can be kept."""

    @abstractmethod
    def read(self, request: Request, sent: Sent) -> Json | None:
        """A comment by its id; None if it is gone, else raises `NotSent`."""

    def credentials(self, deadline: float) -> Headers:
        """The tracker's."""
        return self._tracker.credentials(deadline)

    def limited(self, answer: Answer) -> bool:
        """As the tracker says it."""
        return self._tracker.limited(answer)

    def send(self, request: Request) -> Sent:
        """Make the comment; see `ports.Tool`."""
        url = self.comments(*self.ticket(request))
        answer = self.write(self.METHOD, url, self.render(request), request.deadline, also=GONE)
        if not answer.good:
            raise Refused(f"there is no ticket {request.target} that takes comments: {failure(answer)}")
        return self.confirmed(request, answer)

    def find(self, request: Request) -> Sent | None:
        """Look through our own comments on the ticket; see `ports.Tool`."""
        us = self.author(request.deadline)
        ours = (one for one in self.listed(request) if self.author_of(one).casefold() == us.casefold())
        hit = next((one for one in ours if self.key_of(one) == request.key), None)
        return None if hit is None else common.listed(lambda: self.sent(request, hit))

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Whether the marker is there."""
        comment = self.read(request, sent)
        if comment is None:
            return (DELETED,)
        return () if self.key_of(comment) == request.key else (common.UNMARKED,)

    def confirmed(self, request: Request, answer: Answer) -> Sent:
        """What a good answer says of the comment; raises `OutcomeUnknown` if that is nothing."""
        return self.sent(request, answer.fields())

    def one(self, url: str, deadline: float) -> Json | None:
        """The object at a URL; None if it is gone, else raises `NotSent`."""
        answer = self.ask(url, deadline, also=GONE)
        return common.fields_of(answer) if answer.good else None

    def ticket(self, request: Request) -> tuple[str, str]:
        """Place and ticket; raises `Refused` for what cannot be one here, such as a dry run's."""
        place, ticket = ticket_in(request.target)
        if not place or not self.TICKET.fullmatch(ticket):
            raise Refused(f"{request.target} is no ticket of {self.spec.beside}")
        return place, ticket

    def asked(self, request: Request) -> tuple[str, str]:
        """The same for look-ups; raises `NotSent`."""
        try:
            return self.ticket(request)
        except Refused as error:
            raise NotSent(f"the look-up failed: {error}") from error


def beside(tracker: ToolSpec, name: str) -> ToolSpec:
    """What is to be known of the tool that comments on this one's tickets."""
    return replace(tracker, name=name, beside=tracker.name)


def link_to(request: Request, anchor: str) -> str:
    """The link of a comment: the original ticket's, which our own database knows, with an anchor."""
    original = request.content.get("same_as")
    url = usable_link(original.get("url")) if isinstance(original, dict) else ""
    return usable_link(f"{url}{anchor}") if url else ""


def last_line(text: str) -> str:
    """Where a visible marker stands."""
    return text.rstrip().rpartition("\n")[2].strip()
