"""Reading lists of tickets page by page, one request a call: who asks decides how often, how long, and whether again.

Lists are ordered by creation. What changes while they are read can then only move tickets to later pages, where they
are seen twice; what joins an earlier page changed after the look began, and the next look begins before that.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from http import HTTPStatus

from triage.errors import NotSent, Refused
from triage.model import Json
from triage.model.tickets import ClosedTicket
from triage.tools.adapter import HttpAdapter, usable_id
from triage.tools.transport import Answer, failure

PAGE = 100
"""Tickets of a page: the most that all of them give."""
LONGEST_TITLE = 500
LONGEST_TEXT = 100_000
"""Characters; no more is read of a report either."""
LONGEST_LABEL = 200
MOST_LABELS = 100
DEFINITE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""Asking again cannot help, unless it is a limit in disguise."""


def read(tool: HttpAdapter, url: str, deadline: float, *, method: str = "GET", body: bytes = b"") -> Answer:
    """Ask for one page.

    Raises:
        NotSent: nothing was learned now; asked again it may be, after the wait if there is one.
        Refused: a definite no.
    """
    answer = tool.ask(url, deadline, method=method, body=body, also=DEFINITE)
    if answer.good:
        return answer
    if tool.limited(answer):
        raise NotSent(f"{tool.spec.name} is called too often: {failure(answer)}", tool.wait(answer))
    raise Refused(f"{tool.spec.name} does not list its tickets: {failure(answer)}")


def number(after: str) -> int:
    """The page to ask for, from 1."""
    return int(after) if after.isdecimal() else 1


def following(page: int, items: Sequence[Json]) -> str:
    """Where the list goes on: at its next page, until one is empty; a short one may only have been filtered."""
    return str(page + 1) if items else ""


def ticket(
    remote_id: object, title: object, text: object, labels: Iterable[object], *, created: object, ours: bool
) -> ClosedTicket:
    """A closed ticket, with all texts bounded; the other arguments are fields of an answer, and may be anything."""
    told = (label for label in labels if isinstance(label, str) and 0 < len(label.strip()) <= LONGEST_LABEL)
    return ClosedTicket(
        remote_id=usable_id(remote_id),
        title=_text(title, LONGEST_TITLE),
        text=_text(text, LONGEST_TEXT),
        labels=tuple(label.strip() for label in told)[:MOST_LABELS],
        created=moment(created),
        ours=ours,
    )


def moment(value: object) -> datetime | None:
    """A time in ISO 8601 that has a zone; None for anything else."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _text(value: object, longest: int) -> str:
    """What is not valid Unicode becomes a question mark, and what Postgres cannot keep a blank."""
    text = value[:longest] if isinstance(value, str) else ""
    return text.encode(errors="replace").decode().replace("\x00", " ")
