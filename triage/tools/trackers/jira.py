"""What Jira Cloud and Jira Data Center share: the create call, its marker, and how an issue is looked for.

Jira has no key of its own, so the marker goes into the create call itself, which Jira carries out as one: the label
`triage-run-<16 digits>` narrows a search, and the issue property `triage.run` holds the whole key and is what counts.
Properties are seen by programs only, are not copied when an issue is cloned, and survive edits and moves.

The search index lags, and answers "none" while it is rebuilt, so "none" is no proof. What follows it is a look at the
issues themselves, by number, which asks the database: from the highest number that the index knew some time ago up to
the first numbers that do not exist. That start replaces the "highest number seen before sending", which a request has
no memory for; a lagging index can only make it lower, so that more is read.

What remains: an issue that a person deleted, hid behind a security level, or stripped of its property in the time
between is taken for absent; so is one behind a gap of as many deleted issues as are read at once; and so is one whose
label is not indexed when it is older than the time above. Where too many issues are made to be read one after the
other, nothing is claimed. Sources: Jira's OpenAPI document 1001.0.0; developer.atlassian.com `search-and-reconcile`,
`rate-limiting`, `server/jira/platform/entity-properties`.
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote, urlencode

from pydantic import Field

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolSpec
from triage.model.tickets import ClosedTicket, Page, Standing
from triage.text.body import title
from triage.text.flavours import JIRA_WIKI
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact, text_of, usable_link
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, Url
from triage.tools.trackers import common, jira_lists, pages
from triage.tools.trackers.answers import inner, inners, object_of, objects_of, texts
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.transport import Answer, Transport, excerpt

SUMMARY = 255
"""UTF-16 units, on one line. The published schema does not say it; a longer one is refused by name."""
TEXT = 32_767
"""UTF-16 units of a text field (OpenAPI document: `CONTENT_LIMIT_EXCEEDED`)."""
LABEL = 255
PROPERTY = "triage.run"
KEY = re.compile(r"[A-Z][A-Z0-9_]*-([1-9][0-9]*)")
PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
INDEX_LAG = timedelta(minutes=10)
"""The index lags "a few seconds to minutes" (developer.atlassian.com, `search-and-reconcile`)."""
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
PAGES = 20
"""No list is read further than this."""
SAME_LABEL = 10
"""Issues of one label that are looked at: ours, and those that people cloned from it."""


class JiraSettings(FindableSettings):
    """What both editions need to know."""

    url: Url = Field(description="of the installation, such as https://example.atlassian.net")
    site: Url | None = Field(default=None, description="where people open issues, if not at `url`")
    issue_type: str = Field(default="Bug", min_length=1, description="the name of the type of our issues")
    priorities: dict[str, str] = Field(default_factory=dict, description="their priority for each of our severities")
    components: bool = Field(default=False, description="whether a decision's component is one of the project's")
    quarantine: timedelta = Field(
        default=timedelta(minutes=10),
        gt=timedelta(),
        le=timedelta(hours=1),
        description="how long after a call's deadline it may still be committed, or not be found yet",
    )


class Jira(HttpAdapter):
    """A `Tool` that creates issues; the editions differ in their API's version and in how they search and read."""

    API: ClassVar[str]
    SETTLED: ClassVar[int]
    """How many issues the start of a look by number is taken from: those moved in from elsewhere have high numbers."""
    AT_ONCE: ClassVar[int]
    """How many numbers are read at a time; so many in a row that do not exist are taken for the end."""
    FURTHEST: ClassVar[int]
    """How many numbers are read for one look."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: JiraSettings, authorization: str) -> None:
        """Touches no network. `authorization` is the header's value."""
        super().__init__(spec, transport)
        self._settings = settings
        self._authorization = authorization
        self._places = common.places(settings)

    @abstractmethod
    def describe(self, content: Json) -> object:
        """The text of an issue as this edition takes it, at most `TEXT` long."""

    @abstractmethod
    def search(self, jql: str, deadline: float, most: int, fields: Sequence[str] = ("labels",)) -> list[Json]:
        """At most so many issues with keys, fields and properties, by the lagging index; raises `NotSent`."""

    @abstractmethod
    def fetch(self, keys: Sequence[str], deadline: float) -> list[Json]:
        """Those of at most `AT_ONCE` issues that exist, with properties and not by the index; raises `NotSent`."""

    @abstractmethod
    def projects(self, deadline: float) -> frozenset[str] | None:
        """The keys of the projects that we see; None if there are too many to be listed."""

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed one
        """A token that does not expire while we run."""
        return [("Authorization", self._authorization)]

    def render(self, request: Request) -> bytes:
        """The issue with label and property, in the one call that makes it."""
        prop = {"key": PROPERTY, "value": {"run": request.key}}
        return compact({"fields": self._fields(request), "properties": [prop]})

    def send(self, request: Request) -> Sent:
        """Create the issue; see `ports.Tool`. A 400 names the fields that Jira does not accept, and made nothing."""
        url = self.address("issue")
        answer = self.write("POST", url, self.render(request), request.deadline, also=REFUSALS)
        if answer.status in REFUSALS:
            raise Refused(f"{self.spec.name} refuses it in {request.target}: {complaint(answer)}")
        key = answer.fields().get("key")
        if not isinstance(key, str) or not KEY.fullmatch(key):
            raise OutcomeUnknown(f"status {answer.status}, but the answer has no key of an issue")
        return self._sent(key)

    def find(self, request: Request) -> Sent | None:
        """Look for the issue by label, then by number; see `ports.Tool` and this module's beginning.

        "Absent" counts only if we are signed in: with a token that is not valid any more Jira may take us for anybody,
        and then shows nothing that is not public.
        """
        found = self.search(f'labels = "{marker.label(request.key)}"', request.deadline, SAME_LABEL)
        labelled = [self._whole(issue, request.deadline) for issue in found]
        hit = self._hit(labelled, request.key)
        if hit is None and labelled:
            raise NotSent(f"{labelled[0].get('key')} carries our label, but not our key: nobody can say whose it is")
        hit = hit or self._by_number(request)
        if hit is None:
            self._account(request.deadline)
        return hit

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare the marker and all fields but the texts."""
        issue = self.read(sent.remote_id, request.deadline)
        if issue is None:
            return (f"{sent.remote_id} was deleted there, or it is hidden from us",)
        lost = () if key_of(issue) == request.key else (common.UNMARKED,)
        return (*lost, *_differences(self._fields(request), inner(issue.get("fields"))))

    def values(self, deadline: float) -> LiveValues:
        """Projects, and components if they are used in one project only. Jira makes labels as they come."""
        components = None
        if self._settings.components and len(self._places) == 1:
            answer = self.ask(self.address(f"project/{quote(self._places[0], safe='')}/components"), deadline)
            components = frozenset(str(item.get("name")) for item in objects_of(answer, None))
        return LiveValues(targets=self.projects(deadline), components=components)

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Issues that we created, by the index; at most `PAGES` pages of them. The other clock's error is harmless."""
        minutes = int((datetime.now(UTC) - since) / timedelta(minutes=1)) + 1
        jql = f"creator = currentUser() AND created >= -{minutes}m ORDER BY created DESC"
        for issue in self.search(jql, deadline, PAGES * self.AT_ONCE):
            if key := key_of(self._whole(issue, deadline)):
                sent = self._sent(str(issue.get("key")))
                yield Marked(key, sent.remote_id, sent.remote_url)

    def closed(self, target: str, after: str, deadline: float) -> Page[ClosedTicket]:
        """A page of a project's closed issues, by the index; their types count, not their labels."""
        jql = jira_lists.closed(target, after)
        issues = self.search(jql, deadline, pages.PAGE, jira_lists.CLOSED_FIELDS)
        return Page(tuple(map(jira_lists.ticket, issues)), jira_lists.following(issues))

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:
        """See `ports.Tool`; types and priorities count where they are not what we file with."""
        jql = jira_lists.changed(target, since, after)
        issues = self.search(jql, deadline, pages.PAGE, jira_lists.STANDING_FIELDS)
        whole = [(issue, key) for issue in issues if (key := key_of(self._whole(issue, deadline)))]
        return Page(tuple(self._standing(issue, key) for issue, key in whole), jira_lists.following(issues))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Credentials, an honest "absent", and for each project that the settings name our rights and the label."""
        yield checked("credentials", "set a token that is valid", lambda: self._account(deadline))
        yield checked("absence", "the search must work for our account", lambda: self._absence(deadline))
        mend = "put the field Labels on the create screen of our issue type"
        for place in self._places:
            yield checked(f"rights in {place}", "give our account the right", partial(self._rights, place, deadline))
            yield checked(f"marker in {place}", mend, partial(self._label_field, place, deadline))

    def address(self, path: str, **query: str | int) -> str:
        """Of a resource."""
        return f"{self._settings.url}/rest/api/{self.API}/{path}" + (f"?{urlencode(query)}" if query else "")

    def read(self, key: str, deadline: float) -> Json | None:
        """One issue from the database; None if it does not exist or is hidden from us, else raises `NotSent`."""
        url = self.address(
            f"issue/{quote(key, safe='')}", fields="labels,priority,components,project", properties=PROPERTY
        )
        answer = self._transport.look("GET", url, b"", self.credentials(deadline), deadline)
        if answer.status == HTTPStatus.NOT_FOUND and "errorMessages" in object_of(answer):
            return None
        issue = object_of(answer)
        if not answer.good or "key" not in issue:
            raise NotSent(f"{key} could not be read: status {answer.status}: {excerpt(answer.body)}")
        return issue

    def _fields(self, request: Request) -> Json:
        content = request.content
        fields: Json = {
            "project": {"key": request.target},
            "issuetype": {"name": self._settings.issue_type},
            "summary": title(content, SUMMARY, JIRA_WIKI),
            "description": self.describe(content),
            "labels": [marker.label(request.key), *_labels(content)],
        }
        if priority := self._settings.priorities.get(text_of(content, "severity")):
            fields["priority"] = {"name": priority}
        if self._settings.components and (component := text_of(content, "component")):
            fields["components"] = [{"name": component}]
        return fields

    def _by_number(self, request: Request) -> Sent | None:
        start = self._settled(request) + 1
        for first in range(start, start + self.FURTHEST, self.AT_ONCE):
            keys = [f"{request.target}-{number}" for number in range(first, first + self.AT_ONCE)]
            issues = self.fetch(keys, request.deadline)
            if (hit := self._hit(issues, request.key)) or not issues:
                return hit
        raise NotSent(
            f"more than {self.FURTHEST} issues were made in {request.target} lately: too many to look through"
        )

    def _settled(self, request: Request) -> int:
        """A number below that of every issue which the index may not know yet."""
        if not PROJECT.fullmatch(request.target):
            raise NotSent("the target is no project's key")
        minutes = (2 * self.spec.quarantine + self.spec.timeout + INDEX_LAG) // timedelta(minutes=1)
        jql = f'project = "{request.target}" AND created <= -{minutes}m ORDER BY created DESC'
        keys = [KEY.fullmatch(str(issue.get("key"))) for issue in self.search(jql, request.deadline, self.SETTLED)]
        return min((int(key[1]) for key in keys if key), default=0)

    def _standing(self, issue: Json, key: str) -> Standing:
        fields = inner(issue.get("fields"))
        named = str(inner(fields.get("issuetype")).get("name") or "")
        severity = common.severity_of(self._settings.priorities, inner(fields.get("priority")).get("name"))
        kind = "" if named == self._settings.issue_type else named
        return Standing(key, tuple(texts(fields.get("labels"))), kind, severity)

    def _whole(self, issue: Json, deadline: float) -> Json:
        """An issue as the search gave it, read again if the search gave a label of ours without a property."""
        labels = texts(inner(issue.get("fields")).get("labels"))
        if key_of(issue) or not any(is_marker(label) for label in labels):
            return issue
        return self.read(str(issue.get("key")), deadline) or issue

    def _hit(self, issues: list[Json], key: str) -> Sent | None:
        return next((self._sent(str(issue.get("key"))) for issue in issues if key_of(issue) == key), None)

    def _sent(self, key: str) -> Sent:
        return Sent(key, usable_link(f"{self._settings.site or self._settings.url}/browse/{key}"))

    def _account(self, deadline: float) -> str:
        account = object_of(self.ask(self.address("myself"), deadline))
        return f"signed in as {excerpt(str(account.get('displayName')).encode())}"

    def _absence(self, deadline: float) -> str:
        if self.search(f'labels = "{marker.label("0" * 64)}"', deadline, 1):
            raise Amiss("a label that nobody uses is found")
        return "a label that nobody uses is not found"

    def _rights(self, project: str, deadline: float) -> str:
        needed = ("BROWSE_PROJECTS", "CREATE_ISSUES")
        answer = self.ask(self.address("mypermissions", projectKey=project, permissions=",".join(needed)), deadline)
        given = inner(object_of(answer).get("permissions"))
        missing = [name for name in needed if not inner(given.get(name)).get("havePermission")]
        if missing:
            raise Amiss(f"our account lacks {' and '.join(missing)} in {project}")
        return f"our account may create issues in {project}"

    def _label_field(self, project: str, deadline: float) -> str:
        base = f"issue/createmeta/{quote(project, safe='')}/issuetypes"
        types = objects_of(self.ask(self.address(base, maxResults=200), deadline), "issueTypes", "values")
        ids = [item.get("id") for item in types if item.get("name") == self._settings.issue_type]
        if not ids:
            raise Amiss(f"{project} has no issue type {self._settings.issue_type}")
        fields = objects_of(self.ask(self.address(f"{base}/{ids[0]}", maxResults=200), deadline), "fields", "values")
        if not any(item.get("fieldId") == "labels" for item in fields):
            raise Amiss(f"the create screen of {self._settings.issue_type} in {project} has no field Labels")
        return "new issues take labels"


def key_of(issue: Json) -> str:
    """The whole key in an issue's property; empty if there is none."""
    run = inner(inner(issue.get("properties")).get(PROPERTY)).get("run")
    return run if isinstance(run, str) else ""


def complaint(answer: Answer) -> str:
    """What Jira says to a request that it does not accept: its errors by field, else the start of its answer."""
    fields = object_of(answer)
    errors, messages = fields.get("errors"), fields.get("errorMessages")
    words = [f"{name}: {text}" for name, text in errors.items()] if isinstance(errors, dict) else []
    words += [str(text) for text in messages] if isinstance(messages, list) else []
    return excerpt(("; ".join(words) or f"status {answer.status}: {excerpt(answer.body)}").encode())


def _labels(content: Json) -> list[str]:
    """The draft's labels as Jira takes them, without spaces, and without any that passes for a marker."""
    labels = ("-".join(label.split())[:LABEL] for label in common.labels_of(content))
    return [label for label in labels if not is_marker(label)]


def is_marker(label: str) -> bool:
    """Whether a label looks like one of ours, in any case: Jira's search does not tell cases apart."""
    return bool(marker.LABEL.fullmatch(label.lower()))


def _differences(wanted: Json, got: Json) -> list[str]:
    """What of the wanted fields an issue does not have, in words."""
    words = [*common.left_out(wanted["labels"], texts(got.get("labels")))]
    names = {item.get("name") for item in inners(got.get("components"))}
    words += [
        f"component {item['name']!r} was left out" for item in wanted.get("components", ()) if item["name"] not in names
    ]
    if "priority" in wanted and inner(got.get("priority")).get("name") != wanted["priority"]["name"]:
        words.append(f"priority {wanted['priority']['name']!r} was left out")
    if inner(got.get("project")).get("key") != wanted["project"]["key"]:
        words.append(f"it is not in project {wanted['project']['key']!r}")
    return words
