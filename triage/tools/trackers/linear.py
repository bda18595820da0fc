"""Linear issues. Keyed: `issueCreate` takes the issue's id from us, and refuses one that exists.

Sources: Linear's published GraphQL schema (July 2026) and "Rate limiting". Reported by several who tried it, and not
published: a second call with the same id ends with "conflict on insert of Issue", a limit with HTTP 400 and the code
`RATELIMITED`, and a key has 2,500 requests an hour, not 5,000.

A line of text at the end of the description holds the whole key, for the sweep; the id is made of its first half.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal

from pydantic import Field

from triage.errors import NotSent, OutcomeUnknown, Refused, ToolError
from triage.model import Finding, Json, LiveValues, Marked, Rate, Request, Sent, ToolClass, ToolSpec
from triage.text.body import ticket_body, title
from triage.text.flavours import MARKDOWN
from triage.tools import marker
from triage.tools.adapter import HttpAdapter, compact, usable_id, usable_link
from triage.tools.connection import Headers
from triage.tools.settings import TokenSettings, Url
from triage.tools.trackers import common, graphql
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.transport import Answer, Transport, retry_after

TITLE = 255
DESCRIPTION = 65_536
"""UTF-16 units. Linear publishes no limits; these are what others of its kind take."""
RATE = Rate(2_500, timedelta(hours=1))
FLAVOUR = replace(MARKDOWN, unit="utf16")
MARKED = "triage-run:v1:"
LIMITS = ("x-ratelimit-requests", "x-ratelimit-endpoint-requests", "x-ratelimit-complexity")
"""Each has headers of its own: what remains, and when it begins anew, in milliseconds since 1970."""
DELETED = "the issue was deleted there"
CREATE = (
    "mutation IssueCreate($input: IssueCreateInput!)"
    " { issueCreate(input: $input) { success issue { id identifier url } } }"
)
FIELDS = "id identifier url trashed description priority labelIds team { id }"
READ = f"query Issue($id: String!) {{ issue(id: $id) {{ {FIELDS} }} }}"
LIST = (
    "query Issues($filter: IssueFilter, $first: Int, $after: String)"
    " { issues(filter: $filter, first: $first, after: $after, includeArchived: true)"
    f" {{ nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }}"
)
TEAMS = "query Teams { teams(first: 250) { nodes { id key } pageInfo { hasNextPage } } }"
LABELS = "query Labels { issueLabels(first: 250) { nodes { id name } pageInfo { hasNextPage } } }"
VIEWER = "query Viewer { viewer { id name } }"


class Settings(TokenSettings):
    """A team in Linear. Its API takes the ids of labels, not their names."""

    kind: Literal["linear"] = "linear"
    url: Url = "https://api.linear.app"
    oauth: bool = Field(default=False, description="whether the token is one of OAuth, not an API key")
    labels: dict[str, str] = Field(default_factory=dict, description="the id of each label, by its name")

    def open(self, name: str, transport: Transport) -> "Linear":
        """The tool that is set so; raises InvalidSetting."""
        return Linear(ToolSpec(name, ToolClass.KEYED, self.timeout, rate=RATE), transport, self)


class Linear(HttpAdapter):
    """Files issues; targets are ids of teams, remote ids look like `ENG-123`."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport)
        token = common.checked_token(settings.token.get_secret_value())
        self._headers = [("Authorization", f"Bearer {token}" if settings.oauth else token)]
        self._url = f"{settings.url}/graphql"
        self._named = settings.labels
        self._labels = {name.casefold(): label for name, label in settings.labels.items()}
        self._places = common.places(settings)

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """An API key stands alone, without "Bearer"."""
        return self._headers

    def wait(self, answer: Answer) -> timedelta | None:
        """`Retry-After`, else until the last of the limits that are used up begins anew."""
        if (asked := retry_after(answer.headers)) is not None:
            return asked
        used = (name for name in LIMITS if answer.headers.get(f"{name}-remaining") == "0")
        waits = (common.until(answer.headers, f"{name}-reset", timedelta(milliseconds=1)) for name in used)
        return max((wait for wait in waits if wait is not None), default=None)

    def render(self, request: Request) -> bytes:
        """A mutation; labels whose ids are not set are left out."""
        ids = (self._labels.get(name.casefold()) for name in common.labels_of(request.content))
        issue = {
            "id": marker.uuid4(request.key),
            "teamId": request.target,
            "title": title(request.content, TITLE, FLAVOUR),
            "description": ticket_body(request.content, FLAVOUR, DESCRIPTION, marker=marker.line(request.key)),
            "priority": common.priority_of(request.content),
            "labelIds": [label for label in ids if label is not None],
        }
        return compact({"query": CREATE, "operationName": "IssueCreate", "variables": {"input": issue}})

    def send(self, request: Request) -> Sent:
        """Create the issue; one that exists already is read. See `ports.Tool`."""
        body = self.render(request)
        answer = self.write("POST", self._url, body, request.deadline, also=[HTTPStatus.BAD_REQUEST])
        fields = answer.fields()
        created = graphql.part(fields, "data", "issueCreate", "issue")
        if usable_id(created.get("identifier")):
            return _sent(created)
        if (problem := graphql.problem(answer, fields)) is None:
            raise OutcomeUnknown(f"{self.spec.name}: neither an issue nor an error was answered")
        if problem.exists:
            return self._existing(request)
        raise self._error(problem, answer, request.target)

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:  # noqa: ARG002 - our own id is as good
        """Compare marker, team, priority and labels."""
        issue = self._issue(request)
        if issue is None or issue.get("trashed"):
            return (DELETED,)
        unlike = {
            "the marker is missing: the sweep cannot see it": _key(issue) != request.key,
            "it is in another team": graphql.part(issue, "team").get("id") != request.target,
            "the priority was left out": issue.get("priority") != common.priority_of(request.content),
        }
        there = issue.get("labelIds")
        kept = set(there) if isinstance(there, list) else set()
        wanted = common.labels_of(request.content)
        known = (name for name in wanted if self._labels.get(name.casefold()) in kept)
        return (*(words for words, missed in unlike.items() if missed), *common.left_out(wanted, known))

    def values(self, deadline: float) -> LiveValues:
        """The ids of the teams, and those of the set labels that exist."""
        teams, labels = self._ids(TEAMS, "teams", deadline), self._ids(LABELS, "issueLabels", deadline)
        named = frozenset(name for name, label in self._named.items() if labels is None or label in labels)
        return LiveValues(targets=teams, labels=named or None)

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:
        """Issues whose id and whose text tell the same key; copies that people made have another id."""
        for issue in self._issues(since, deadline):
            if (key := _key(issue)) and marker.uuid4(key) == issue.get("id"):
                yield Marked(key, usable_id(issue.get("identifier")), usable_link(issue.get("url")))

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Who we are, whether teams and labels exist, and an honest "absent"."""
        yield checked("credentials", "set an API key, or `oauth` too", partial(self._viewer, deadline))
        yield checked("team", "set `target` to the id of one of these teams", partial(self._teams, deadline))
        yield checked("labels", "set ids of labels that exist", partial(self._known_labels, deadline))
        yield checked("look-up", "let the key read issues", partial(self._absent, deadline))

    def _existing(self, request: Request) -> Sent:
        """The issue that has our id. It may have been changed by people since, so that only another key is a no."""
        try:
            issue = self._issue(request)
        except NotSent as error:
            raise OutcomeUnknown(f"{self.spec.name}: the issue exists, but could not be read: {error}") from error
        if issue is None:
            return Sent(marker.uuid4(request.key), dropped=(f"{DELETED}, or we may not see it",))
        if _key(issue) not in {"", request.key}:
            raise Refused(f"{self.spec.name}: another object has our id: {issue.get('identifier')}")
        return replace(_sent(issue), dropped=(DELETED,) if issue.get("trashed") else ())

    def _error(self, problem: graphql.Problem, answer: Answer, target: str) -> ToolError:
        words = f"{self.spec.name}: {problem.words}"
        if problem.limited:
            return NotSent(f"{words}: called too often", self.wait(answer))
        if problem.credentials:
            return NotSent(f"{words}: our credentials are not accepted")
        return Refused(f"{words} (team {target})") if problem.definite else OutcomeUnknown(words)

    def _issue(self, request: Request) -> Json | None:
        """Ours, by its id; None if it is surely not there."""
        try:
            data = self._asked(READ, {"id": marker.uuid4(request.key)}, request.deadline)
        except _Missing:
            return None
        if not (issue := graphql.part(data, "issue")):
            raise NotSent(f"{self.spec.name}: the look-up failed: no issue was answered")
        return issue

    def _issues(self, since: datetime, deadline: float) -> Iterator[Json]:
        after: object = None
        wanted = {"description": {"contains": MARKED}, "createdAt": {"gte": common.stamp(since)}}
        for _ in range(common.MOST_PAGES):
            variables = {"filter": wanted, "first": common.PAGE, "after": after}
            found = graphql.part(self._asked(LIST, variables, deadline), "issues")
            yield from graphql.nodes(found)
            page = graphql.part(found, "pageInfo")
            if not page.get("hasNextPage"):
                return
            after = page.get("endCursor")
        raise common.TooMany(f"{self.spec.name}: the look-up failed: there are too many issues")

    def _asked(self, query: str, variables: Json, deadline: float) -> Json:
        """The data of an answer without errors; raises `NotSent`, or `_Missing`."""
        body = compact({"query": query, "variables": variables})
        answer = self.ask(self._url, deadline, method="POST", body=body, also=[HTTPStatus.BAD_REQUEST])
        fields = common.fields_of(answer)
        problem = graphql.problem(answer, fields)
        if problem is not None:
            kind = _Missing if problem.missing else NotSent
            raise kind(f"{self.spec.name}: the look-up failed: {problem.words}", self.wait(answer))
        return graphql.part(fields, "data")

    def _ids(self, query: str, name: str, deadline: float) -> frozenset[str] | None:
        """All of them; None if there are more than one page has."""
        found = graphql.part(self._asked(query, {}, deadline), name)
        ids = frozenset(str(node.get("id")) for node in graphql.nodes(found))
        return None if graphql.part(found, "pageInfo").get("hasNextPage") else ids

    def _viewer(self, deadline: float) -> str:
        return f"we are {graphql.part(self._asked(VIEWER, {}, deadline), 'viewer').get('name')}"

    def _teams(self, deadline: float) -> str:
        teams = graphql.nodes(graphql.part(self._asked(TEAMS, {}, deadline), "teams"))
        there = {str(team.get("id")): str(team.get("key")) for team in teams}
        named = ", ".join(f"{key} is {team}" for team, key in there.items())
        if lost := [place for place in self._places if place not in there]:
            raise Amiss(f"there is no team {', '.join(lost)}; {named}")
        return named

    def _known_labels(self, deadline: float) -> str:
        there = self._ids(LABELS, "issueLabels", deadline)
        if there is not None and (lost := [name for name, label in self._named.items() if label not in there]):
            raise Amiss(f"these have ids that do not exist: {', '.join(lost)}")
        return f"{len(self._labels)} labels have ids"

    def _absent(self, deadline: float) -> str:
        nobody = Request(uuid.uuid4().hex * 2, "", {}, deadline)
        if self._issue(nobody) is not None:
            raise Amiss("an id that nobody has used is found")
        return "an id that nobody has used is not found"


class _Missing(NotSent):
    """Linear says that there is no such object."""


def _key(issue: Json) -> str:
    text = issue.get("description")
    return marker.in_lines(text) if isinstance(text, str) else ""


def _sent(issue: Json) -> Sent:
    return common.made(issue, "identifier", issue.get("url"))
