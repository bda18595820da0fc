"""Notes of Redmine: the marker is their visible last line, as a note has no fields of its own.

A note is a part of a change to an issue (`PUT /issues/ID.json`), and the answer to that says nothing (204), so that the
note's id is read from the issue's journals at once. Redmine gives them all in one answer. Where notes are left out in
silence (our role may change issues, but not add notes), the outcome stays unknown until a person decides. The sweep
does not look for notes: there is no list of them but each issue's own. Seen in Redmine 5.0.4.
"""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import ClassVar

from triage.errors import NotSent, OutcomeUnknown
from triage.model import Json, Request, Sent
from triage.text.comment import LONGEST, comment_body
from triage.text.flavours import Flavour
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact, usable_id
from triage.tools.trackers import common
from triage.tools.trackers.answers import inner, object_of, objects_of
from triage.tools.trackers.comments import GONE, Comments, last_line, link_to
from triage.tools.transport import Answer, Transport, excerpt


class RedmineComments(Comments):
    """Notes on issues; remote ids are those of journals."""

    METHOD: ClassVar[str] = "PUT"

    def __init__(self, name: str, transport: Transport, tracker: HttpAdapter, url: str, flavour: Flavour) -> None:
        """`url` is the installation's; touches no network."""
        super().__init__(name, transport, tracker)
        self._url = url
        self._flavour = replace(flavour, unit="bytes")

    def render(self, request: Request) -> bytes:
        """A change that only adds a note."""
        note = comment_body(request.content, self._flavour, LONGEST, marker.line(request.key))
        return compact({"issue": {"notes": note}})

    def comments(self, place: str, ticket: str) -> str:  # noqa: ARG002 - numbers are those of the installation
        """The issue itself."""
        return f"{self._url}/issues/{ticket}.json"

    def confirmed(self, request: Request, answer: Answer) -> Sent:
        """Look the note up; raises `OutcomeUnknown` if it cannot be seen yet."""
        if answer.status != HTTPStatus.NO_CONTENT:
            raise OutcomeUnknown(f"status {answer.status}, and not Redmine's empty answer: {excerpt(answer.body)}")
        try:
            found = self.find(request)
        except NotSent as error:
            raise OutcomeUnknown(f"the note was taken, but it could not be looked up: {error}") from error
        if found is None:
            raise OutcomeUnknown("the note was taken, but it is not there")
        return found

    def author(self, deadline: float) -> str:
        """Asked each time: with a key that is not valid any more Redmine may take us for anybody."""
        user = object_of(self.ask(f"{self._url}/users/current.json", deadline)).get("user")
        us = usable_id(inner(user).get("id"))
        if not us:
            raise NotSent("the look-up failed: Redmine does not say who we are")
        return us

    def author_of(self, comment: Json) -> str:
        """The number of its user."""
        return usable_id(inner(comment.get("user")).get("id"))

    def listed(self, request: Request) -> Iterator[Json]:
        """The youngest first."""
        answer = self.ask(f"{self.comments(*self.asked(request))}?include=journals", request.deadline)
        return reversed(_journals(answer))

    def key_of(self, comment: Json) -> str:
        """The last line's."""
        found = marker.LINE.fullmatch(last_line(str(comment.get("notes") or "")))
        return found[1] if found else ""

    def sent(self, request: Request, comment: Json) -> Sent:
        """A note's anchor is its place in the list, which changes; so the link is the issue's."""
        made = common.made(comment, "id", "")
        return Sent(made.remote_id, link_to(request, ""))

    def read(self, request: Request, sent: Sent) -> Json | None:
        """Among the issue's journals."""
        answer = self.ask(f"{self.comments(*self.asked(request))}?include=journals", request.deadline, also=GONE)
        journals = _journals(answer) if answer.good else []
        return next((one for one in journals if usable_id(one.get("id")) == sent.remote_id), None)


def _journals(answer: Answer) -> list[Json]:
    issue = object_of(answer).get("issue")
    return objects_of(replace(answer, body=compact(inner(issue))), "journals")
