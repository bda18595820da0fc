"""Jira Cloud, REST v3: texts are documents (ADF), searches lag, and a hundred issues can be read at once.

How an issue is marked and found is said in `jira`. Class: findable; quarantine 10 minutes.
"""

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from triage.errors import NotSent
from triage.model import Json, Rate, ToolClass, ToolSpec
from triage.text import adf
from triage.text.comment import comment_document
from triage.tools.adapter import compact
from triage.tools.trackers.answers import objects_of
from triage.tools.trackers.common import checked_token
from triage.tools.trackers.jira import PAGES, PROPERTY, TEXT, Jira, JiraSettings
from triage.tools.trackers.jira_comments import JiraComments
from triage.tools.transport import Answer, Transport

RATE = Rate(10, timedelta(seconds=1))
"""Ours. With an API token only the limits per second and endpoint hold (developer.atlassian.com, `rate-limiting`)."""
PAGE = 100


class Settings(JiraSettings):
    """An API token of an account, and the address that belongs to the account."""

    kind: Literal["jira-cloud"] = "jira-cloud"
    email: str = Field(min_length=1, description="of the account whose token it is")
    token: SecretStr = Field(description="shown nowhere")

    def open(self, name: str, transport: Transport) -> "JiraCloud":
        """The tool that is set so; raises InvalidSetting."""
        spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine, rate=RATE)
        pair = f"{self.email}:{checked_token(self.token.get_secret_value())}".encode()
        return JiraCloud(spec, transport, self, f"Basic {base64.b64encode(pair).decode()}")

    def commenting(self, name: str, tracker: str, transport: Transport) -> JiraComments:
        """See `ToolSettings`."""
        return JiraComments(name, transport, self.open(tracker, transport), comment_document)


class JiraCloud(Jira):
    """A `Tool` for Jira Cloud."""

    API: ClassVar[str] = "3"
    SETTLED: ClassVar[int] = 20
    AT_ONCE: ClassVar[int] = 100
    FURTHEST: ClassVar[int] = 1_000

    def describe(self, content: Json) -> object:
        """A document; its JSON is what must not be too long."""
        return adf.ticket_document(content, TEXT)

    def search(self, jql: str, deadline: float, most: int, fields: Sequence[str] = ("labels",)) -> list[Json]:
        """By the enhanced search, page by page; it refuses fields that it does not know."""
        found: list[Json] = []
        wish: Json = {"jql": jql, "fields": list(fields), "properties": [PROPERTY], "maxResults": min(most, PAGE)}
        while True:
            answer = self.ask(self.address("search/jql"), deadline, method="POST", body=compact(wish))
            found += objects_of(answer, "issues")
            token = _next_page(answer)
            if not token or len(found) >= most:
                return found[:most]
            wish["nextPageToken"] = token

    def fetch(self, keys: Sequence[str], deadline: float) -> list[Json]:
        """By bulk fetch, which follows moved issues and leaves out what does not exist."""
        wish = {"issueIdsOrKeys": list(keys), "fields": ["labels"], "properties": [PROPERTY]}
        answer = self.ask(self.address("issue/bulkfetch"), deadline, method="POST", body=compact(wish))
        issues = objects_of(answer, "issues")
        if failed := objects_of(answer, "issueErrors") if b'"issueErrors"' in answer.body else []:
            raise NotSent(f"{len(failed)} of {len(keys)} issues could not be read")
        return issues

    def projects(self, deadline: float) -> frozenset[str] | None:
        """Those in which we may create issues."""
        keys: list[str] = []
        for _ in range(PAGES):
            url = self.address("project/search", action="create", startAt=len(keys), maxResults=PAGE)
            page = objects_of(self.ask(url, deadline), "values")
            keys += [str(item.get("key")) for item in page]
            if len(page) < PAGE:
                return frozenset(keys)
        return None


def _next_page(answer: Answer) -> str:
    token = answer.fields().get("nextPageToken")
    return token if isinstance(token, str) else ""
