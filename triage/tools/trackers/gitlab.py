"""GitLab issues. Findable: see `listed`.

Sources: GitLab's "Issues API", "Rate limits on issue and epic creation", `doc/api/openapi/openapi_v3.yaml` (19.5).
Lines that begin with a slash are commands to GitLab; the text is written so that none does.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from triage.errors import NotSent
from triage.model import Finding, Json, LiveValues, Rate, Request, ToolClass, ToolSpec
from triage.text.body import ticket_body, title
from triage.text.flavours import MARKDOWN
from triage.tools import marker
from triage.tools.adapter import compact
from triage.tools.settings import Url
from triage.tools.trackers import common
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.trackers.listed import Listed, ListedSettings
from triage.tools.trackers.listed_comments import GitLabComments
from triage.tools.transport import Answer, Transport, retry_after

TITLE = 255
DESCRIPTION = 65_536
"""Characters. GitLab takes 1,048,576 of them, but the answer, which repeats it, must stay readable."""
LABEL = 255
RATE = Rate(300, timedelta(minutes=1))
"""Issues of one user in one project; an installation can set another limit."""
REPORTER = 20
"""The least access level that may label issues (Reporter; a Guest, 10, may only make them)."""


class Settings(ListedSettings):
    """A project on gitlab.com, or on an installation of one's own."""

    kind: Literal["gitlab"] = "gitlab"
    url: Url = "https://gitlab.com"

    def open(self, name: str, transport: Transport) -> "GitLab":
        """The tool that is set so; raises InvalidSetting."""
        spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine, target_rate=RATE)
        return GitLab(spec, transport, self)

    def commenting(self, name: str, tracker: str, transport: Transport) -> GitLabComments:
        """See `ToolSettings`."""
        return GitLabComments(name, transport, self.open(tracker, transport))


class GitLab(Listed):
    """Files issues; targets are paths such as `group/project`, or numbers of projects."""

    TEXT: ClassVar[str] = "description"
    NUMBER: ClassVar[str] = "iid"
    LINK: ClassVar[str] = "web_url"
    CLOSED: ClassVar[Mapping[str, str]] = {"state": "closed", "order_by": "created_at", "sort": "desc"}

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport, settings)
        self._url = f"{settings.url}/api/v4"
        self._author = ""

    def wait(self, answer: Answer) -> timedelta | None:
        """`Retry-After`, else until the limit begins anew: not every answer has the one or the other."""
        return retry_after(answer.headers) or common.until(answer.headers, "ratelimit-reset", timedelta(seconds=1))

    def render(self, request: Request) -> bytes:
        """An issue; labels that do not exist are made by GitLab."""
        hidden = marker.comment(request.key)
        issue = {
            "title": title(request.content, TITLE, MARKDOWN),
            "description": ticket_body(request.content, MARKDOWN, DESCRIPTION, marker=hidden),
            # A comma would part one label into two.
            "labels": ",".join(label for label in self.labels(request) if "," not in label and len(label) <= LABEL),
        }
        return compact(issue)

    def values(self, deadline: float) -> LiveValues:
        """The projects that we are a member of; labels and people only where all tickets go to one of them."""
        all_of = partial(self.pages, query={}, deadline=deadline)
        projects = list(all_of(f"{self._url}/projects", query={"membership": "true", "simple": "true"}))
        paths, numbers = (common.names(iter(projects), name) or frozenset() for name in ("path_with_namespace", "id"))
        if len(self._places) != 1:
            return LiveValues(paths | numbers)
        only = self.project(self._places[0])
        users = common.names(all_of(f"{only}/members/all"), "username")
        return LiveValues(paths | numbers, labels=common.names(all_of(f"{only}/labels"), "name"), users=users)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Who we are; and for each project that the settings name: issues, rights, an honest "absent"."""
        mend = "set a token with the scope `api`"
        yield checked("credentials", mend, lambda: f"we are user {self.author(deadline)}")
        for place in self._places:
            mend = "name one that has issues, and let the token's owner be a Reporter there"
            yield checked(f"project {place}", mend, partial(self._usable, place, deadline))
            yield checked(f"look-up in {place}", "let the token read issues", partial(self.absent, place, deadline))

    def project(self, target: str) -> str:
        """The project's URL."""
        return f"{self._url}/projects/{quote(target, safe='')}"

    def author(self, deadline: float) -> str:
        """The number of our user; asked once."""
        if not self._author:
            number = common.fields_of(self.ask(f"{self._url}/user", deadline)).get("id")
            if not isinstance(number, int):
                raise NotSent(f"{self.spec.name}: the look-up failed: GitLab does not say who we are")
            self._author = str(number)
        return self._author

    def author_of(self, issue: Json) -> str:
        """The number of its user; empty if there is none."""
        author = issue.get("author")
        return str(author.get("id")) if isinstance(author, dict) else ""

    def query(self, author: str, since: str) -> dict[str, str]:
        """Of every state, unless one is named."""
        return {"author_id": author, "created_after": since, "order_by": "created_at", "sort": "desc"}

    def changed_query(self, author: str, since: str) -> dict[str, str]:
        """Of every state, unless one is named."""
        return {"author_id": author, "updated_after": since, "order_by": "created_at", "sort": "asc"}

    def _usable(self, place: str, deadline: float) -> str:
        found = common.fields_of(self.ask(self.project(place), deadline))
        if found.get("issues_access_level", "enabled") == "disabled" or not found.get("issues_enabled", True):
            raise Amiss("it has no issues")
        if (level := _level(found.get("permissions"))) < REPORTER:
            raise Amiss(f"our access level is {level}, and {REPORTER} is needed to label issues")
        return "issues are on, and we may label them"


def _level(rights: Any) -> int:  # noqa: ANN401 - a field of an answer
    """The highest access level that the project or its group gives us."""
    given = rights.values() if isinstance(rights, dict) else ()
    levels = (access.get("access_level") for access in given if isinstance(access, dict))
    return max((level for level in levels if isinstance(level, int)), default=0)
