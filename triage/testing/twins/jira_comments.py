"""Comments of the Jira twins: made, listed page by page, read, deleted."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from triage.model import Json
from triage.testing.twins.base import Asked, Reply

if TYPE_CHECKING:
    from triage.testing.twins.jira import Jira

US = "5b10a2844c20165700ede21g"
LINE = re.compile(r"triage-run:v1:[0-9a-f]{64}")
HIDDEN = {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}}


@dataclass(frozen=True, slots=True)
class Comment:
    """`sent` is the text as it came, `kept` what was kept of it."""

    id: str
    issue: str
    author: str
    sent: str
    kept: object

    def shown(self) -> Json:
        """As an answer shows it."""
        return {"id": self.id, "author": {"accountId": self.author}, "body": self.kept}


class Comments:
    """All comments of a twin; its `drop_marker` takes our marker out of them without a word."""

    def __init__(self, twin: "Jira") -> None:
        """Gives the twin its routes."""
        self._twin = twin
        self._made: list[Comment] = []
        self._next = 10_001
        at = f"/rest/api/{twin.version}/issue/(?P<key>[^/]+)/comment"
        twin.route("POST", at, self._create)
        twin.route("GET", at, self._list)
        twin.route("GET", f"{at}/(?P<id>[^/]+)", self._read)

    def add(self, issue: str, text: object, author: str) -> Comment:
        """Make a comment."""
        sent = json.dumps(text)
        kept = json.loads(LINE.sub("", sent)) if self._twin.drop_marker else text
        with self._twin.lock:
            made = Comment(str(self._next), issue, author, sent, kept)
            self._next += 1
            self._made.append(made)
        return made

    def objects(self, key: str) -> list[str]:
        """The ids of those that were sent with this key and are there."""
        with self._twin.lock:
            return [one.id for one in self._made if f"triage-run:v1:{key}" in one.sent]

    def delete(self, number: str) -> None:
        """Remove a comment as a person does."""
        with self._twin.lock:
            self._made = [one for one in self._made if one.id != number]

    def one(self, number: str) -> Comment:
        """One that is there; StopIteration if it is not."""
        return next(one for one in self._made if one.id == number)

    def _create(self, asked: Asked) -> Reply:
        if not self._twin.existing(asked.parts["key"]):
            return Reply(HTTPStatus.NOT_FOUND, HIDDEN)
        text = asked.fields().get("body")
        if words := self._twin.text_error(text):
            return Reply(HTTPStatus.BAD_REQUEST, {"errorMessages": [], "errors": {"comment": words}})
        return Reply(HTTPStatus.CREATED, self.add(asked.parts["key"], text, US).shown())

    def _list(self, asked: Asked) -> Reply:
        if not self._twin.existing(key := asked.parts["key"]):
            return Reply(HTTPStatus.NOT_FOUND, HIDDEN)
        start, size = int(asked.query.get("startAt", 0)), int(asked.query.get("maxResults", 50))
        ordered = [one for one in self._made if one.issue == key]
        if asked.query.get("orderBy") == "-created":
            ordered.reverse()
        page = [one.shown() for one in ordered[start : start + size]]
        return Reply(value={"startAt": start, "maxResults": size, "total": len(ordered), "comments": page})

    def _read(self, asked: Asked) -> Reply:
        there = self._twin.existing(asked.parts["key"])
        found = next((one for one in self._made if there and one.id == asked.parts["id"]), None)
        gone = {"errorMessages": [f"Can not find a comment for the id: {asked.parts['id']}."], "errors": {}}
        return Reply(value=found.shown()) if found else Reply(HTTPStatus.NOT_FOUND, gone)
