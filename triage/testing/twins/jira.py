"""Stand-ins for Jira Cloud (REST v3) and Jira Data Center (v2): issues, labels, issue properties, a lagging index.

They understand the JQL that the adapters use and refuse all other; fields that a project does not have are refused by
name, as the real ones do.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin
from triage.testing.twins.jira_comments import US, Comments

PROPERTY = "triage.run"
SUMMARY = 255
TEXT = 32_767
AT_ONCE = 100
KEY = re.compile(r"/issue/[A-Z]+-\d+$")
HIDDEN = "Issue does not exist or you do not have permission to see it."
OFF_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."
CLAUSES: list[tuple[str, Callable[["Issue", str], bool]]] = [
    (r'labels = "([^"]+)"', lambda issue, label: label in issue.fields["labels"]),
    (r'project = "([^"]+)"', lambda issue, project: issue.key.startswith(f"{project}-")),
    (r"created <= -(\d+)m", lambda issue, minutes: issue.age >= 60 * int(minutes)),
    (r"created >= -(\d+)m", lambda issue, minutes: issue.age <= 60 * int(minutes)),
    (r"creator = (currentUser)\(\)", lambda issue, _: issue.ours),
    (r"updated >= -(\d+)m", lambda issue, minutes: issue.since_change <= 60 * int(minutes)),
    (r"statusCategory = (Done)", lambda issue, _: issue.closed),
    (r'key > "[A-Z]+-(\d+)"', lambda issue, number: issue.number > int(number)),
    (r'key < "[A-Z]+-(\d+)"', lambda issue, number: issue.number < int(number)),
]
ORDER = re.compile(r" ORDER BY (created|key) (ASC|DESC)$")


@dataclass(slots=True)
class Issue:
    """What was really made: `made` is a time of `time.monotonic()`, `older` are seconds that it is older than that."""

    key: str
    fields: Json
    properties: Json
    marked: str
    ours: bool = True
    made: float = field(default_factory=time.monotonic)
    older: float = 0.0
    deleted: bool = False
    pace: float = 1.0
    closed: bool = False
    changed: float | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"))

    @property
    def number(self) -> int:
        """Within its project."""
        return int(self.key.rpartition("-")[2])

    @property
    def since_change(self) -> float:
        """Seconds since it was changed last, as searches see it."""
        return self.age if self.changed is None else (time.monotonic() - self.changed) * self.pace

    @property
    def age(self) -> float:
        """Seconds since it was made, as searches see it."""
        return (time.monotonic() - self.made) * self.pace + self.older


class Jira(Twin):
    """What both editions do. `credentials` is the header's value that they accept.

    `drop_marker` lets labels and properties get lost without a word; `reindexing` lets every search find nothing;
    `properties_in_search` is off where searches give no properties; `label_field` says whether the create screen has
    the field Labels; `pace` is how many seconds pass in searches for each real one. With `public` look-ups without
    credentials are answered as to anybody, who sees no issue.
    """

    version = ""
    meta = ("values", "values")
    """The names of the lists of issue types and of their fields."""

    def __init__(self, credentials: str) -> None:
        """With the projects OPS and WEB."""
        super().__init__()
        self.credentials = credentials
        self.projects = {"OPS": ["export", "import"], "WEB": []}
        self.priorities = ["High", "Medium", "Low"]
        self.issues: list[Issue] = []
        self.drop_marker = False
        self.reindexing = False
        self.properties_in_search = True
        self.label_field = True
        self.pace = 1.0
        self.public = False
        self.hidden_rights: set[str] = set()
        root = f"/rest/api/{self.version}"
        self.route("POST", f"{root}/issue", self._create)
        self.route("GET", f"{root}/issue/createmeta/(?P<project>[^/]+)/issuetypes", self._types)
        self.route("GET", f"{root}/issue/createmeta/(?P<project>[^/]+)/issuetypes/1", self._type_fields)
        self.route("GET", f"{root}/issue/(?P<key>[^/]+)", self._read)
        self.comments = Comments(self)
        self.route("GET", f"{root}/myself", lambda _: Reply(value={"accountId": US, "displayName": "Triage"}))
        self.route("GET", f"{root}/mypermissions", self._rights)
        self.route("GET", f"{root}/project/(?P<project>[^/]+)/components", self._components)

    def objects(self, key: str) -> list[str]:
        """By the request that made them, also if their marker was dropped."""
        with self.lock:
            return [issue.key for issue in self.issues if issue.marked == key]

    def delete(self, remote_id: str) -> None:
        """Remove an issue; its number is not used again."""
        with self.lock:
            self._issue(remote_id).deleted = True

    def add(self, project: str, *, older: float = 0.0, labels: Iterable[str] = (), **fields: object) -> str:
        """An issue as a person makes one, `older` seconds ago; its key."""
        with self.lock:
            return self._make(project, {"labels": list(labels), **fields}, {}, "", ours=False, older=older).key

    def change(self, key: str, **fields: object) -> None:
        """Give an issue other fields, as a person does."""
        with self.lock:
            issue = self._issue(key)
            issue.fields, issue.changed = {**issue.fields, **fields}, time.monotonic()

    def close(self, key: str) -> None:
        """Close an issue, as a person does."""
        with self.lock:
            self._issue(key).closed = True
        self.change(key)

    def age(self, key: str, seconds: float) -> None:
        """Let an issue be older than it is, in the eyes of searches."""
        with self.lock:
            self._issue(key).older += seconds

    def answer(self, asked: Asked) -> Reply:
        """Only with credentials, unless the twin is public."""
        if asked.headers.get("authorization") != self.credentials:
            if self.public and asked.path.endswith(("/search", "/search/jql", "/bulkfetch")):
                return Reply(value={"issues": [], "total": 0, "isLast": True})
            if self.public and KEY.search(asked.path):
                return Reply(HTTPStatus.NOT_FOUND, {"errorMessages": [HIDDEN], "errors": {}})
            return Reply(HTTPStatus.UNAUTHORIZED, {"message": "Client must be authenticated to access this resource."})
        return super().answer(asked)

    def text_error(self, text: object) -> str:
        """What is wrong with a description; empty if nothing is."""
        raise NotImplementedError

    def found(self, jql: str) -> list[Issue] | None:
        """What the index gives for a query, in its order; None if it is not understood or not bounded."""
        order = ORDER.search(jql)
        conditions = jql[: order.start()] if order else jql
        clauses = [_clause(part) for part in conditions.split(" AND ")]
        if not conditions or None in clauses:
            return None
        shown = [] if self.reindexing else [issue for issue in self.issues if self._searchable(issue)]
        hits = [issue for issue in shown if all(fits(issue) for fits in clauses if fits)]
        if order and order[1] == "key":
            return sorted(hits, key=lambda issue: issue.number, reverse=order[2] == "DESC")
        return sorted(hits, key=lambda issue: issue.age, reverse=not order or order[2] != "DESC")

    def shown(self, issue: Issue, properties: Iterable[str] = (), fields: Sequence[str] | None = None) -> Json:
        """An issue as an answer shows it, with these fields; None: with all."""
        given = {name: issue.properties[name] for name in properties if name in issue.properties}
        kept = {**issue.fields, "project": {"key": issue.key.partition("-")[0]}, "created": issue.created}
        told = kept if fields is None else {name: value for name, value in kept.items() if name in fields}
        return {"id": issue.key, "key": issue.key, "fields": told, "properties": given}

    def existing(self, key: str) -> Issue | None:
        """An issue that was not deleted."""
        return next((issue for issue in self.issues if issue.key == key and not issue.deleted), None)

    def _issue(self, key: str) -> Issue:
        return next(issue for issue in self.issues if issue.key == key)

    def _searchable(self, issue: Issue) -> bool:
        return not issue.deleted and (issue.older > self.index_lag or self.indexed(issue.made))

    def _make(self, project: str, fields: Json, properties: Json, marked: str, **how: Any) -> Issue:  # noqa: ANN401
        number = 1 + sum(issue.key.startswith(f"{project}-") for issue in self.issues)
        issue = Issue(f"{project}-{number}", fields, properties, marked, pace=self.pace, **how)
        self.issues.append(issue)
        return issue

    def _create(self, asked: Asked) -> Reply:
        wish = asked.fields()
        fields = wish.get("fields") or {}
        if errors := dict(self._errors(fields)):
            return Reply(HTTPStatus.BAD_REQUEST, {"errorMessages": [], "errors": errors})
        given = {item["key"]: item["value"] for item in wish.get("properties", ())}
        kept = {"priority": {"name": "Medium"}, "components": [], "labels": [], **fields}
        marked = str((given.get(PROPERTY) or {}).get("run", ""))
        if self.drop_marker:
            kept["labels"], given = [], {}
        issue = self._make(fields["project"]["key"], kept, given, marked)
        link = f"{self.url}/rest/api/{self.version}/issue/{issue.key}"
        return Reply(HTTPStatus.CREATED, {"id": issue.key, "key": issue.key, "self": link})

    def _errors(self, fields: Json) -> Iterable[tuple[str, str]]:
        project = (fields.get("project") or {}).get("key")
        if project not in self.projects:
            yield "project", "valid project is required"
        if (fields.get("issuetype") or {}).get("name") != "Bug":
            yield "issuetype", "Specify a valid issue type"
        yield from self._text_errors(fields)
        if "priority" in fields and fields["priority"].get("name") not in self.priorities:
            yield "priority", "The priority selected is invalid."
        for item in fields.get("components", ()):
            if item.get("name") not in self.projects.get(str(project), ()):
                yield "components", f"Component name '{item.get('name')}' is not valid"
        if any(" " in label for label in fields.get("labels", ())):
            yield "labels", "The label contains spaces which is invalid."
        screen = {"project", "issuetype", "summary", "description", "priority", "components"}
        for name in set(fields) - screen - ({"labels"} if self.label_field else set()):
            yield name, OFF_SCREEN.format(name)

    def _text_errors(self, fields: Json) -> Iterable[tuple[str, str]]:
        summary = str(fields.get("summary", ""))
        if not summary.strip():
            yield "summary", "You must specify a summary of the issue."
        if len(summary.encode("utf-16-le")) // 2 > SUMMARY:
            yield "summary", "Summary can't exceed 255 characters."
        if "\n" in summary:
            yield "summary", "The summary is invalid because it contains newline characters."
        if words := self.text_error(fields.get("description")):
            yield "description", words

    def _read(self, asked: Asked) -> Reply:
        issue = self.existing(asked.parts["key"])
        if issue is None:
            return Reply(HTTPStatus.NOT_FOUND, {"errorMessages": [HIDDEN], "errors": {}})
        return Reply(value=self.shown(issue, asked.query.get("properties", "").split(",")))

    def _types(self, asked: Asked) -> Reply:
        known = asked.parts["project"] in self.projects
        return Reply(value={self.meta[0]: [{"id": "1", "name": "Bug"}] if known else []})

    def _type_fields(self, asked: Asked) -> Reply:  # noqa: ARG002 - all projects have the same screen
        names = ["summary", "description", *(["labels"] if self.label_field else [])]
        return Reply(value={self.meta[1]: [{"fieldId": name} for name in names]})

    def _rights(self, asked: Asked) -> Reply:
        if asked.query.get("projectKey") not in self.projects:
            return Reply(HTTPStatus.NOT_FOUND, {"errorMessages": ["No project could be found with that key."]})
        names = asked.query.get("permissions", "").split(",")
        given = {name: {"havePermission": name not in self.hidden_rights} for name in names}
        return Reply(value={"permissions": given})

    def _components(self, asked: Asked) -> Reply:
        return Reply(value=[{"name": name} for name in self.projects.get(asked.parts["project"], ())])


class JiraCloud(Jira):
    """Searches lag and must be bounded; unknown fields of a search are refused."""

    version = "3"
    meta = ("issueTypes", "fields")

    def __init__(self, credentials: str) -> None:
        """Without any issue."""
        super().__init__(credentials)
        self.route("POST", "/rest/api/3/search/jql", self._search)
        self.route("POST", "/rest/api/3/issue/bulkfetch", self._bulk)
        self.route("GET", "/rest/api/3/project/search", self._projects)

    def text_error(self, text: object) -> str:
        """Only documents."""
        good = isinstance(text, dict) and text.get("type") == "doc" and text.get("version") == 1
        return "" if good else "Operation value must be an Atlassian Document (see the Atlassian Document Format)"

    def _search(self, asked: Asked) -> Reply:
        wish = asked.fields()
        known = {"jql", "fields", "properties", "maxResults", "nextPageToken", "expand", "reconcileIssues"}
        hits = self.found(str(wish.get("jql", ""))) if set(wish) <= known else None
        if hits is None:
            return Reply(HTTPStatus.BAD_REQUEST, {"errorMessages": ["Invalid request payload."]})
        start, size = int(wish.get("nextPageToken", 0)), int(wish.get("maxResults", 50))
        names = wish.get("properties", ()) if self.properties_in_search else ()
        page: Json = {
            "issues": [self.shown(issue, names, wish.get("fields", ())) for issue in hits[start : start + size]]
        }
        more = {"nextPageToken": str(start + size)} if len(hits) > start + size else {}
        return Reply(value={**page, "isLast": not more, **more})

    def _bulk(self, asked: Asked) -> Reply:
        wish = asked.fields()
        keys = wish.get("issueIdsOrKeys", [])
        if len(keys) > AT_ONCE:
            return Reply(HTTPStatus.BAD_REQUEST, {"errorMessages": ["Too many issues are requested."]})
        found = [issue for issue in map(self.existing, keys) if issue]
        issues = [self.shown(issue, wish.get("properties", ()), wish.get("fields")) for issue in found]
        return Reply(value={"issues": issues, "issueErrors": []})

    def _projects(self, asked: Asked) -> Reply:
        start, size = int(asked.query.get("startAt", 0)), int(asked.query.get("maxResults", 50))
        return Reply(value={"values": [{"key": key} for key in self.projects][start : start + size]})


class JiraDataCenter(Jira):
    """Searches give no properties; `reindexing` is worth a test."""

    version = "2"

    def __init__(self, credentials: str) -> None:
        """Without any issue."""
        super().__init__(credentials)
        self.route("POST", "/rest/api/2/search", self._search)
        self.route("GET", "/rest/api/2/project", lambda _: Reply(value=[{"key": key} for key in self.projects]))

    def text_error(self, text: object) -> str:
        """Only text, of bounded length."""
        if not isinstance(text, str):
            return "Operation value must be a string"
        long = len(text.encode("utf-16-le")) // 2 > TEXT
        return f"The entered text is too long. It exceeds the allowed limit of {TEXT:,} characters." if long else ""

    def _search(self, asked: Asked) -> Reply:
        wish = asked.fields()
        hits = self.found(str(wish.get("jql", "")))
        if hits is None:
            return Reply(HTTPStatus.BAD_REQUEST, {"errorMessages": ["Error in the JQL Query"], "errors": {}})
        page = hits[wish.get("startAt", 0) :][: wish.get("maxResults", 50)]
        return Reply(
            value={"total": len(hits), "issues": [self.shown(issue, fields=wish.get("fields")) for issue in page]}
        )


def _clause(text: str) -> Callable[[Issue], bool] | None:
    for pattern, fits in CLAUSES:
        if found := re.fullmatch(pattern, text):
            return partial(_meets, fits, found[1])
    return None


def _meets(fits: Callable[[Issue, str], bool], value: str, issue: Issue) -> bool:
    return fits(issue, value)
