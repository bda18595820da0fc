"""Redmine 5 (REST): the marker is a custom field, looked for by an exact filter of the database.

Class: findable; quarantine 30 seconds, since nothing is behind an index. The custom field is made by an administrator
(format text, "used as a filter", enabled for the trackers and projects that are used) and named here by its id.

What Redmine 5.0.4 does, and is minded here: a filter that it does not know (no such field, not a filter, not visible
to us) is left out, so that it answers with every issue; a custom field or tracker that it does not know is left out of
what is created; closed issues are hidden unless asked for; errors of fields name no field. It looks across all
projects, so that an issue is found after it was moved. What remains: an issue that a person deleted, made private, or
stripped of its key in the time between is taken for absent. No limits of calls are published.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import Field, SecretStr

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.model.tickets import ClosedTicket, Page, Standing
from triage.text.body import ticket_body, title
from triage.text.flavours import MARKDOWN, TEXTILE
from triage.tools.adapter import HttpAdapter, compact, text_of, usable_id, usable_link
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, Url
from triage.tools.trackers import common, pages
from triage.tools.trackers.answers import inner, inners, object_of, objects_of
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.trackers.redmine_comments import RedmineComments
from triage.tools.transport import Answer, Transport, excerpt

SUBJECT = 255
"""Characters ("Subject is too long (maximum is 255 characters)")."""
DESCRIPTION = 32_000
"""Bytes. Redmine sets no limit; a page of so long ones must fit into the megabyte that we read of an answer."""
PAGE = 20
SAME_KEY = 5
"""Issues with one key that are looked at: one is ours, two are a broken promise."""
KEY = re.compile(r"[0-9a-f]{64}")
FLAVOURS = {"textile": TEXTILE, "markdown": MARKDOWN}
GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)


class Settings(FindableSettings):
    """An API key of an account, and the ids of what Redmine names by ids."""

    kind: Literal["redmine"] = "redmine"
    url: Url = Field(description="of the installation")
    token: SecretStr = Field(description="the account's API access key, shown nowhere")
    key_field: int = Field(gt=0, description="the id of the custom field that holds our key")
    tracker: int | None = Field(
        default=None, gt=0, description="the id of our issues' tracker; none: the project's first"
    )
    priorities: dict[str, int] = Field(default_factory=dict, description="the priority's id for each severity")
    formatting: Literal["textile", "markdown"] = Field(default="textile", description="how the installation formats")
    quarantine: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(),
        le=timedelta(hours=1),
        description="how long after a call's deadline it may still be committed",
    )

    def open(self, name: str, transport: Transport) -> "Redmine":
        """The tool that is set so; raises InvalidSetting."""
        return Redmine(ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine), transport, self)

    def commenting(self, name: str, tracker: str, transport: Transport) -> RedmineComments:
        """See `ToolSettings`."""
        return RedmineComments(name, transport, self.open(tracker, transport), self.url, FLAVOURS[self.formatting])


class Redmine(HttpAdapter):
    """A `Tool` that files issues; targets are identifiers of projects, remote ids are issue numbers."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport)
        self._settings = settings
        self._headers = [("X-Redmine-API-Key", common.checked_token(settings.token.get_secret_value()))]
        self._filter = f"cf_{settings.key_field}"
        self._places = common.places(settings)

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed key
        """The key."""
        return self._headers

    def render(self, request: Request) -> bytes:
        """The issue with its key; Redmine has no labels."""
        return compact({"issue": self._issue(request)})

    def send(self, request: Request) -> Sent:
        """Create the issue; see `ports.Tool`."""
        url = f"{self._settings.url}/issues.json"
        refusals = (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
        answer = self.write("POST", url, self.render(request), request.deadline, also=refusals)
        if not answer.good:
            raise Refused(f"{self.spec.name} refuses it in {request.target}: {_complaint(answer)}")
        issue = answer.fields().get("issue")
        sent = self._sent(issue) if isinstance(issue, dict) else None
        if sent is None:
            raise OutcomeUnknown(f"status {answer.status}, but the answer has no issue's id")
        return sent

    def find(self, request: Request) -> Sent | None:
        """Look for the issue by its key; see `ports.Tool`. A filter that was not applied teaches nothing.

        "Absent" counts only if we are signed in: with a key that is not valid any more Redmine may take us for anybody.
        """
        issues = self._issues(request.deadline, SAME_KEY, **{self._filter: request.key})
        hit = next((issue for issue in issues if self._key(issue) == request.key), None)
        if issues and hit is None:
            raise NotSent(f"{self.spec.name} does not filter by custom field {self._settings.key_field}")
        if hit is None:
            self._account(request.deadline)
        return None if hit is None else self._listed(hit)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare the key and all that was set by an id; labels are always left out."""
        url = f"{self._settings.url}/issues/{quote(sent.remote_id, safe='')}.json"
        answer = self.ask(url, request.deadline, also=GONE)
        if not answer.good and not answer.body:
            return (f"issue {sent.remote_id} was deleted there, or it is hidden from us",)
        issue = object_of(answer).get("issue")
        if not isinstance(issue, dict):
            raise NotSent(f"issue {sent.remote_id} could not be read: status {answer.status}")
        unmarked = () if self._key(issue) == request.key else (common.UNMARKED,)
        labels = common.left_out(common.labels_of(request.content), ())
        return (*unmarked, *labels, *_differences(self._issue(request), issue))

    def values(self, deadline: float) -> LiveValues:
        """The projects that we see."""
        pages = self._pages("projects", deadline, common.PAGE)
        return LiveValues(targets=common.names(pages, "identifier"))

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Issues that have a key."""
        query = {self._filter: "*", "status_id": "*", "created_on": f">={common.stamp(since)}", "sort": "id:desc"}
        for issue in self._pages("issues", deadline, PAGE, **query):
            if KEY.fullmatch(key := self._key(issue)):
                sent = self._listed(issue)
                yield Marked(key, sent.remote_id, sent.remote_url)

    def closed(self, target: str, after: str, deadline: float) -> Page[ClosedTicket]:
        """A page of a project's closed issues; whatever custom field holds a key, the issue is one of ours."""
        query = {"project_id": target, "status_id": "closed", "sort": "id:desc"}
        issues, onwards = self._page(query, after, deadline)
        return Page(tuple(_closed(issue) for issue in issues), onwards)

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:
        """See `ports.Tool`. The tracker counts where ours is set, and priorities where each severity has one."""
        query = {"project_id": target, self._filter: "*", "status_id": "*", "sort": "id:asc"}
        query["updated_on"] = f">={common.stamp(since)}"
        issues, onwards = self._page(query, after, deadline)
        ours = ((issue, key) for issue in issues if KEY.fullmatch(key := self._key(issue)))
        return Page(tuple(self._standing(issue, key) for issue, key in ours), onwards)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Credentials, an honest "absent", and for each project that the settings name the field and the tracker."""
        yield checked("credentials", "set a valid API access key, and enable REST", partial(self._account, deadline))
        field = f"custom field {self._settings.key_field}"
        mend = f'make {field} one for issues, "used as a filter", and visible to our account'
        yield checked("absence", mend, partial(self._absence, deadline))
        for place in self._places:
            mend = f"enable {field} and our tracker in the project, and give our account a role in it"
            yield checked(f"marker in {place}", mend, partial(self._project, place, deadline))

    def _issue(self, request: Request) -> Json:
        content, flavour = request.content, FLAVOURS[self._settings.formatting]
        issue: Json = {
            "project_id": request.target,
            "subject": title(content, SUBJECT, flavour),
            "description": ticket_body(content, replace(flavour, unit="bytes"), DESCRIPTION),
            "custom_fields": [{"id": self._settings.key_field, "value": request.key}],
        }
        if self._settings.tracker is not None:
            issue["tracker_id"] = self._settings.tracker
        if priority := self._settings.priorities.get(text_of(content, "severity")):
            issue["priority_id"] = priority
        return issue

    def _issues(self, deadline: float, limit: int, **query: str) -> list[Json]:
        asked = urlencode({**query, "status_id": "*", "limit": limit})
        return objects_of(self.ask(f"{self._settings.url}/issues.json?{asked}", deadline), "issues")

    def _pages(self, name: str, deadline: float, size: int, **query: str) -> Iterator[Json]:
        def page(number: int) -> list[Json]:
            asked = urlencode({**query, "limit": size, "offset": (number - 1) * size})
            return objects_of(self.ask(f"{self._settings.url}/{name}.json?{asked}", deadline), name)

        return common.paged(page)

    def _page(self, query: dict[str, str], after: str, deadline: float) -> tuple[list[Json], str]:
        page = pages.number(after)
        asked = urlencode({**query, "limit": pages.PAGE, "offset": (page - 1) * pages.PAGE})
        issues = objects_of(pages.read(self, f"{self._settings.url}/issues.json?{asked}", deadline), "issues")
        return issues, pages.following(page, issues)

    def _standing(self, issue: Json, key: str) -> Standing:
        tracker, ours = inner(issue.get("tracker")), self._settings.tracker
        kind = "" if ours is None or tracker.get("id") == ours else str(tracker.get("name"))
        severity = common.severity_of(self._settings.priorities, inner(issue.get("priority")).get("id"))
        return Standing(key, kind=kind, severity=severity)

    def _key(self, issue: Json) -> str:
        """What stands in our custom field; empty if nothing does."""
        fields = inners(issue.get("custom_fields"))
        ours = (field for field in fields if field.get("id") == self._settings.key_field)
        return next((value for field in ours if isinstance(value := field.get("value"), str)), "")

    def _sent(self, issue: Json) -> Sent | None:
        number = usable_id(issue.get("id"))
        return Sent(number, usable_link(f"{self._settings.url}/issues/{number}")) if number else None

    def _listed(self, issue: Json) -> Sent:
        if (sent := self._sent(issue)) is None:
            raise NotSent("the look-up failed: an issue without an id")
        return sent

    def _account(self, deadline: float) -> str:
        user = object_of(self.ask(f"{self._settings.url}/users/current.json", deadline)).get("user")
        if not isinstance(user, dict):
            raise NotSent("Redmine does not say who we are")
        return f"we are {excerpt(str(user.get('login') or user.get('id')).encode())}"

    def _absence(self, deadline: float) -> str:
        if self._issues(deadline, 1, **{self._filter: "0" * 64}):
            raise Amiss("issues are found by a key that nobody has: the filter is not applied")
        return "a key that nobody has is not found"

    def _project(self, place: str, deadline: float) -> str:
        url = f"{self._settings.url}/projects/{quote(place, safe='')}.json?include=trackers,issue_custom_fields"
        project = object_of(self.ask(url, deadline)).get("project")
        wanted = {"issue_custom_fields": self._settings.key_field, "trackers": self._settings.tracker}
        for name, number in wanted.items():
            if number is not None and number not in [item.get("id") for item in inners(inner(project).get(name))]:
                raise Amiss(f"{name.replace('_', ' ')} of the project {place} do not have {number}")
        return "new issues take our key"


def _closed(issue: Json) -> ClosedTicket:
    values = (field.get("value") for field in inners(issue.get("custom_fields")))
    return pages.ticket(
        issue.get("id"),
        issue.get("subject"),
        issue.get("description"),
        [inner(issue.get("tracker")).get("name")],
        created=issue.get("created_on"),
        ours=any(isinstance(value, str) and KEY.fullmatch(value) for value in values),
    )


def _complaint(answer: Answer) -> str:
    """What Redmine says to an issue that it does not accept, else the start of its answer."""
    errors = object_of(answer).get("errors")
    words = "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""
    return excerpt((words or f"status {answer.status}: {excerpt(answer.body)}").encode())


def _differences(wanted: Json, got: Json) -> Iterator[str]:
    """What of what was set by an id an issue does not have, in words."""
    for name in ("tracker", "priority"):
        number = wanted.get(f"{name}_id")
        if number is not None and inner(got.get(name)).get("id") != number:
            yield f"{name} {number} was left out"
