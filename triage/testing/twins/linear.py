"""Linear's GraphQL interface, as far as issues need it: ids of our own, strict input, errors with status 200 or 400."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from triage.testing.twins.base import Asked, Reply, Twin
from triage.testing.twins.issues import TOKEN
from triage.tools import marker

TEAM = "9cfb482a-81e3-4154-b5b9-2c805e70a02d"
LABELS = {"ui": "1222a88e-6b42-46c0-b19b-1c7ec3190393", "bug": "5d1f8b22-97a5-4cd8-8d0b-13e2bd2c9c11"}
INPUT = {"id", "teamId", "title", "description", "priority", "labelIds"}
TITLE = 255
TEXT = 100_000
LARGEST_PAGE = 250


@dataclass(slots=True)
class Issue:
    """One issue; a deleted one is in the trash, where its id stays taken."""

    number: int
    fields: dict[str, Any]
    key: str
    trashed: bool = False
    made: float = field(default_factory=time.monotonic)
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    @property
    def identifier(self) -> str:
        """As people call it."""
        return f"ENG-{self.number}"


class LinearTwin(Twin):
    """One team; objects are identifiers.

    `keeps_marker`: without it a description's last line is lost. `purges`: what is deleted is gone, not in the trash,
    and only its id stays taken.
    """

    def __init__(self) -> None:
        """There is already an issue of somebody else."""
        super().__init__()
        self.keeps_marker = True
        self.purges = False
        self.issues = [Issue(1, {"id": "3fb0bd4f-1f63-4b8f-9a2c-6a0f3a1a8a01", "title": "Somebody else's"}, "")]
        self.route("POST", "/graphql", self._asked)
        nodes = {"teams": [{"id": TEAM, "key": "ENG"}], "issueLabels": [{"id": one} for one in LABELS.values()]}
        self._answers: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "issueCreate(": self._create,
            "issue(": self._read,
            "issues(": self._list,
            "teams(": lambda _: _data("teams", _connection(nodes["teams"])),
            "issueLabels(": lambda _: _data("issueLabels", _connection(nodes["issueLabels"])),
            "viewer": lambda _: _data("viewer", {"id": "1", "name": "triage"}),
        }

    def objects(self, key: str) -> list[str]:
        """See `Twin`."""
        return [issue.identifier for issue in self.issues if issue.key == key and not issue.trashed]

    def delete(self, remote_id: str) -> None:
        """See `Twin`."""
        next(issue for issue in self.issues if issue.identifier == remote_id).trashed = True

    def _asked(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != TOKEN:
            return _errors("Authentication required, not authenticated", "AUTHENTICATION_ERROR", 401)
        sent = asked.fields()
        name = next((name for name in self._answers if f"{{ {name}" in str(sent.get("query"))), "")
        if not name:
            return _errors("Syntax Error", "GRAPHQL_PARSE_FAILED", 400)
        return self._answers[name](sent.get("variables") or {})

    def _create(self, variables: dict[str, Any]) -> Reply:
        sent = variables["input"]
        if unknown := set(sent) - INPUT:
            return _errors(f'Field "{unknown.pop()}" is not defined by type "IssueCreateInput".', "BAD_USER_INPUT", 400)
        if problem := _problem(sent):
            return _errors(problem, "INPUT_ERROR")
        if any(issue.fields["id"] == sent["id"] for issue in self.issues):
            more = f"Entity Issue with id {sent['id']} already exists."
            return _errors("conflict on insert of Issue", "INPUT_ERROR", more=more)
        key = marker.in_lines(sent["description"])
        kept = sent["description"] if self.keeps_marker else marker.LINE.sub("", sent["description"])
        issue = Issue(len(self.issues) + 1, {**sent, "description": kept}, key)
        self.issues.append(issue)
        return _data("issueCreate", {"success": True, "issue": _shown(issue)})

    def _read(self, variables: dict[str, Any]) -> Reply:
        found = next((issue for issue in self.issues if issue.fields["id"] == variables["id"]), None)
        if found is None or (found.trashed and self.purges):
            return _errors("Entity not found: Issue", "INPUT_ERROR", more="Could not find referenced Issue.")
        return _data("issue", _shown(found))

    def _list(self, variables: dict[str, Any]) -> Reply:
        wanted = variables["filter"]["description"]["contains"], variables["filter"]["createdAt"]["gte"]
        size = variables["first"]
        if not 0 < size <= LARGEST_PAGE:
            return _errors("Argument Validation Error", "INPUT_ERROR", 400)
        there = [issue for issue in reversed(self.issues) if not issue.trashed and self.indexed(issue.made)]
        fit = [
            issue for issue in there if wanted[0] in issue.fields.get("description", "") and issue.created >= wanted[1]
        ]
        start = int(variables.get("after") or 0)
        shown = [_shown(issue) for issue in fit[start : start + size]]
        return _data("issues", _connection(shown, start + size if len(fit) > start + size else None))


def _problem(sent: dict[str, Any]) -> str:
    if sent["teamId"] != TEAM:
        return "Entity not found: Team"
    if len(sent["title"]) > TITLE or len(sent["description"]) > TEXT:
        return "Argument Validation Error"
    known = set(sent.get("labelIds") or ()) <= set(LABELS.values())
    return "" if known else "Entity not found: IssueLabel: labelIds contained an entry that could not be found."


def _shown(issue: Issue) -> dict[str, Any]:
    link = f"https://linear.test/acme/issue/{issue.identifier}"
    named = {"identifier": issue.identifier, "url": link, "trashed": issue.trashed or None}
    return {**issue.fields, **named, "team": {"id": issue.fields.get("teamId", TEAM)}}


def _connection(items: list[dict[str, Any]], after: int | None = None) -> dict[str, Any]:
    return {"nodes": items, "pageInfo": {"hasNextPage": after is not None, "endCursor": str(after or "")}}


def _data(name: str, value: object) -> Reply:
    return Reply(200, {"data": {name: value}})


def _errors(message: str, code: str, status: int = 200, more: str = "") -> Reply:
    extensions = {"code": code, "userError": True, "userPresentableMessage": more or message}
    return Reply(status, {"errors": [{"message": message, "extensions": extensions}], "data": None})
