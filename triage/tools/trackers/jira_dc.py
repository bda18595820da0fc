"""Jira Data Center, REST v2: texts are wiki markup, the index is each node's own, and issues are read one by one.

How an issue is marked and found is said in `jira`. Class: findable; quarantine 10 minutes.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from triage.model import Json, ToolClass, ToolSpec
from triage.text.body import ticket_body
from triage.text.comment import comment_body
from triage.text.flavours import JIRA_WIKI
from triage.tools.adapter import compact
from triage.tools.trackers.answers import objects_of
from triage.tools.trackers.common import checked_token
from triage.tools.trackers.jira import TEXT, Jira, JiraSettings
from triage.tools.trackers.jira_comments import JiraComments
from triage.tools.transport import Transport

MOST_PROJECTS = 2_000


class Settings(JiraSettings):
    """A personal access token."""

    kind: Literal["jira-dc"] = "jira-dc"
    token: SecretStr = Field(description="shown nowhere")

    def open(self, name: str, transport: Transport) -> "JiraDataCenter":
        """The tool that is set so; raises InvalidSetting. An installation's limits are its owner's."""
        spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine)
        return JiraDataCenter(spec, transport, self, f"Bearer {checked_token(self.token.get_secret_value())}")

    def commenting(self, name: str, tracker: str, transport: Transport) -> JiraComments:
        """See `ToolSettings`."""
        return JiraComments(name, transport, self.open(tracker, transport), _wiki)


class JiraDataCenter(Jira):
    """A `Tool` for Jira Data Center."""

    API: ClassVar[str] = "2"
    SETTLED: ClassVar[int] = 5
    AT_ONCE: ClassVar[int] = 20
    FURTHEST: ClassVar[int] = 200

    def describe(self, content: Json) -> object:
        """Wiki markup."""
        return ticket_body(content, JIRA_WIKI, TEXT)

    def search(self, jql: str, deadline: float, most: int, fields: Sequence[str] = ("labels",)) -> list[Json]:
        """One page; this search gives no properties."""
        wish = {"jql": jql, "fields": list(fields), "startAt": 0, "maxResults": most}
        answer = self.ask(self.address("search"), deadline, method="POST", body=compact(wish))
        return objects_of(answer, "issues")

    def fetch(self, keys: Sequence[str], deadline: float) -> list[Json]:
        """One by one: there is no bulk read that does without the index."""
        issues = (self.read(key, deadline) for key in keys)
        return [issue for issue in issues if issue is not None]

    def projects(self, deadline: float) -> frozenset[str] | None:
        """All that we see: they come in one list."""
        keys = [str(item.get("key")) for item in objects_of(self.ask(self.address("project"), deadline), None)]
        return frozenset(keys) if len(keys) <= MOST_PROJECTS else None


def _wiki(content: Json, limit: int, marker: str) -> object:
    return comment_body(content, JIRA_WIKI, limit, marker)
