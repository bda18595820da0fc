"""Azure DevOps work items. Findable: they have no key of their own.

A line at the end of the text holds the whole key. A tag with a part of it is what a query can narrow its search by; or
a text field of one's own holds the whole key, which spares a tag for each ticket.

Sources: "Work Items - Create", "Wiql - Query By Wiql", "Rate limits", "Work tracking, process, and project limits" on
learn.microsoft.com, and the published description of `wit` 7.1. How soon a query sees a new item is not said, and calls
are delayed by up to 30 s rather than refused: hence the long times.
"""

import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import Field

from triage.errors import NotSent
from triage.model import Finding, Json, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.text.body import ticket_body, title
from triage.text.flavours import HTML
from triage.tools import marker
from triage.tools.adapter import JSON_BODY, HttpAdapter, compact, usable_id
from triage.tools.connection import Headers
from triage.tools.settings import FindableSettings, TokenSettings, Url
from triage.tools.trackers import common
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.transport import Answer, Transport, failure

TITLE = 255
TEXT = 131_072
"""UTF-16 units. A long text may have 1,048,576 of them, but the answer, which repeats it, must stay readable."""
TAG = 400
MOST_TAGS = 100
FLAVOUR = replace(HTML, unit="utf16")
PATCH: Headers = [("Content-Type", "application/json-patch+json")]
VERSION = "7.1"
SIGN_IN = "_signin"
MOST_HITS = 2_000
BATCH = 20
TITLE_FIELD, TAGS, PRIORITY = "System.Title", "System.Tags", "Microsoft.VSTS.Common.Priority"
PROJECT = "System.TeamProject"
DELETED = "the work item is not there any more: it was deleted there"
FieldName = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)+$"


class Settings(TokenSettings, FindableSettings):
    """A project of an organization. The token is a personal access token that may read and write work items."""

    kind: Literal["azure-devops"] = "azure-devops"
    url: Url = Field(description="such as https://dev.azure.com/organization, or a server's with its collection")
    item_type: str = Field(default="Bug", min_length=1, max_length=128, description="what is made")
    text_field: str = Field(
        default="Microsoft.VSTS.TCM.ReproSteps",
        pattern=FieldName,
        description="where the text goes; types other than Bug: System.Description",
    )
    marker_field: str = Field(default="", max_length=128, description="a text field of one's own, instead of the tag")
    tag: str = Field(default=common.LABEL, pattern=r"^[^,;']+$", max_length=50, description="on every work item")
    timeout: timedelta = Field(default=timedelta(seconds=40), gt=timedelta(), le=timedelta(minutes=5))
    quarantine: timedelta = Field(default=timedelta(minutes=5), gt=timedelta(), le=timedelta(hours=1))

    def open(self, name: str, transport: Transport) -> "AzureDevOps":
        """The tool that is set so; raises InvalidSetting."""
        return AzureDevOps(ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine), transport, self)


class AzureDevOps(HttpAdapter):
    """Files work items; targets are names of projects, remote ids are numbers."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport)
        token = common.checked_token(settings.token.get_secret_value())
        self._headers = [("Authorization", f"Basic {base64.b64encode(f':{token}'.encode()).decode()}")]
        self._set = settings
        self._places = common.places(settings)

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The token as a password, without a user."""
        return self._headers

    def render(self, request: Request) -> bytes:
        """A JSON Patch that makes a work item; tags that do not exist are made."""
        text = ticket_body(request.content, FLAVOUR, TEXT, marker=marker.line(request.key))
        fields = {
            TITLE_FIELD: title(request.content, TITLE, FLAVOUR),
            self._set.text_field: text,
            TAGS: "; ".join(_fit(self._tags(request))),
            PRIORITY: common.priority_of(request.content),
        }
        if self._set.marker_field:
            fields[self._set.marker_field] = request.key
        return compact([{"op": "add", "path": f"/fields/{name}", "value": value} for name, value in fields.items()])

    def send(self, request: Request) -> Sent:
        """Create the work item; see `ports.Tool`."""
        url = self._at(f"{quote(request.target, safe='')}/_apis/wit/workitems/${quote(self._set.item_type, safe='')}")
        also = HTTPStatus.FOUND, HTTPStatus.NOT_FOUND
        answer = self.write("POST", url, self.render(request), request.deadline, headers=PATCH, also=also)
        self._admitted(answer)
        if answer.status == HTTPStatus.NOT_FOUND:
            raise common.nowhere(request.target, answer)
        if not answer.good:
            raise failure(answer)
        return self._sent(answer.fields())

    def find(self, request: Request) -> Sent | None:
        """Query by tag or field, and read what was found; see `ports.Tool`. Of copies that people made, not one."""
        field, tag = self._set.marker_field, marker.label(request.key)
        clause = f"[{field}] = '{request.key}'" if field else f"[{TAGS}] CONTAINS '{tag}'"
        items = list(self._queried(clause, request.deadline))
        ours = [item for item in items if self._key(item) == request.key]
        if items and not ours:
            raise NotSent(f"{self.spec.name}: the look-up failed: work items with our mark, but not with our key")
        return min((self._found(item) for item in ours), key=lambda sent: int(sent.remote_id), default=None)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Compare marker, project, priority and tags."""
        url = self._at(f"_apis/wit/workitems/{quote(sent.remote_id, safe='')}")
        answer = self.ask(url, request.deadline, also=[HTTPStatus.NOT_FOUND])
        if not answer.good:
            return (DELETED,)
        item = common.fields_of(answer)
        fields = _fields(item)
        tags = [tag.strip() for tag in str(fields.get(TAGS, "")).split(";")]
        mark = [] if self._set.marker_field else [marker.label(request.key)]
        unlike = {
            common.UNMARKED: self._key(item) != request.key or bool(common.left_out(mark, tags)),
            f"it is in project {fields.get(PROJECT)}": fields.get(PROJECT) != request.target,
            "the priority was left out": fields.get(PRIORITY) != common.priority_of(request.content),
        }
        missed = tuple(words for words, found in unlike.items() if found)
        return (*missed, *common.left_out(common.labels_of(request.content, self._set.tag), tags))

    def values(self, deadline: float) -> LiveValues:
        """The projects; tags need not exist."""

        def page(number: int) -> list[Json]:
            asked = {"$top": common.PAGE, "$skip": (number - 1) * common.PAGE}
            return _values(self.ask(self._at("_apis/projects", **asked), deadline))

        return LiveValues(targets=common.names(common.paged(page), "name"))

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Everything with our tag."""
        clause = f"[{TAGS}] CONTAINS '{self._set.tag}' AND [System.CreatedDate] >= '{common.stamp(since)}'"
        for item in self._queried(clause, deadline):
            if key := self._key(item):
                sent = self._found(item)
                yield Marked(key, sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Whether we are let in; and for each project that the settings name: the type's fields, an honest "absent"."""
        mend = "set a token that may read and write work items, and has not expired"
        yield checked("credentials", mend, lambda: f"we see {len(self.values(deadline).targets or ())} projects")
        for place in self._places:
            mend = "set `item_type`, `text_field` and `marker_field` to what the project has"
            yield checked(f"type in {place}", mend, partial(self._usable, place, deadline))
        yield checked("look-up", "let the token query work items", partial(self._absent, deadline))

    def ask(
        self,
        url: str,
        deadline: float,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Headers = (),
        also: Iterable[int] = (),
    ) -> Answer:
        """As any look-up; an answer for people who should sign in is `NotSent`."""
        also = {HTTPStatus.FOUND, *also}
        answer = super().ask(url, deadline, method=method, body=body, headers=headers, also=also)
        self._admitted(answer)
        if answer.status == HTTPStatus.FOUND:
            raise NotSent(f"{self.spec.name}: the look-up failed: {failure(answer)}")
        return answer

    def _admitted(self, answer: Answer) -> None:
        """A token that is not accepted is answered with a page to sign in, and status 203; or with the way there."""
        page = answer.status == HTTPStatus.NON_AUTHORITATIVE_INFORMATION
        way = answer.status == HTTPStatus.FOUND and SIGN_IN in answer.headers.get("location", "").casefold()
        if page or way:
            raise NotSent(f"{self.spec.name} does not accept our credentials: it asks to sign in")

    def _at(self, path: str, **query: object) -> str:
        return f"{self._set.url}/{path}?{urlencode({'api-version': VERSION, **query}, safe='$')}"

    def _tags(self, request: Request) -> list[str]:
        mark = [] if self._set.marker_field else [marker.label(request.key)]
        return common.labels_of(request.content, self._set.tag, *mark)

    def _queried(self, clause: str, deadline: float) -> Iterator[Json]:
        """The work items that fit, in every project: those that were moved are still ours."""
        query = f"SELECT [System.Id] FROM WorkItems WHERE {clause} ORDER BY [System.Id] DESC"  # noqa: S608 - of our own words
        url = self._at("_apis/wit/wiql", timePrecision="true", **{"$top": MOST_HITS})
        body = compact({"query": query})
        hits = common.fields_of(self.ask(url, deadline, method="POST", body=body, headers=JSON_BODY)).get("workItems")
        if not isinstance(hits, list):
            raise NotSent(f"{self.spec.name}: the look-up failed: no list of work items was answered")
        ids = [usable_id(hit.get("id")) if isinstance(hit, dict) else "" for hit in hits]
        if not all(ids) or len(ids) >= MOST_HITS:
            raise NotSent(f"{self.spec.name}: the look-up failed: ids are missing, or there are too many")
        for start in range(0, len(ids), BATCH):
            yield from self._read(ids[start : start + BATCH], deadline)

    def _read(self, ids: list[str], deadline: float) -> list[Json]:
        names = [PROJECT, TAGS, self._set.text_field, *([self._set.marker_field] if self._set.marker_field else [])]
        url = self._at("_apis/wit/workitems", ids=",".join(ids), fields=",".join(names))
        items = _values(self.ask(url, deadline))
        if {usable_id(item.get("id")) for item in items} != set(ids):
            raise NotSent(f"{self.spec.name}: the look-up failed: other work items were answered")
        return items

    def _key(self, item: Json) -> str:
        fields = _fields(item)
        whole = fields.get(self._set.marker_field) if self._set.marker_field else None
        text = fields.get(self._set.text_field)
        return str(whole) if whole else marker.in_lines(text) if isinstance(text, str) else ""

    def _sent(self, item: Json) -> Sent:
        project = quote(str(_fields(item).get(PROJECT, "")), safe="")
        return common.made(item, "id", f"{self._set.url}/{project}/_workitems/edit/{item.get('id')}")

    def _found(self, item: Json) -> Sent:
        return common.listed(lambda: self._sent(item))

    def _usable(self, place: str, deadline: float) -> str:
        kind = quote(self._set.item_type, safe="")
        url = self._at(f"{quote(place, safe='')}/_apis/wit/workitemtypes/{kind}/fields")
        there = {str(field.get("referenceName")) for field in _values(self.ask(url, deadline))}
        wanted = {self._set.text_field, TAGS, PRIORITY, self._set.marker_field or TAGS}
        if lost := sorted(wanted - there):
            raise Amiss(f"{self._set.item_type} has not the fields {', '.join(lost)}")
        return f"{self._set.item_type} has the fields that are set"

    def _absent(self, deadline: float) -> str:
        if self.find(Request(secrets.token_hex(32), "", {}, deadline)) is not None:
            raise Amiss("a key that nobody has used is found")
        return "a key that nobody has used is not found"


def _fit(tags: list[str]) -> list[str]:
    """Those that can be tags; a comma or a semicolon would part them."""
    return [tag for tag in tags if len(tag) <= TAG and not {",", ";"} & set(tag)][:MOST_TAGS]


def _fields(item: Json) -> Json:
    fields = item.get("fields")
    return fields if isinstance(fields, dict) else {}


def _values(answer: Answer) -> list[Json]:
    """The objects of a list; raises `NotSent` if it is none."""
    value = common.fields_of(answer).get("value")
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotSent("the look-up failed: the answer is no list of objects")
    return value
