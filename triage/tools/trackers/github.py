"""GitHub issues. Findable: see `listed`.

Sources: GitHub's OpenAPI description (labels, assignees and milestones are "silently dropped" without push access), its
"Rate limits for the REST API" and "Best practices for using the REST API".
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from triage.errors import NotSent
from triage.model import Finding, Json, LiveValues, Rate, Request, ToolClass, ToolSpec
from triage.text.body import ticket_body, title
from triage.text.flavours import MARKDOWN
from triage.tools import marker
from triage.tools.adapter import compact
from triage.tools.connection import Headers
from triage.tools.settings import Url
from triage.tools.trackers import common
from triage.tools.trackers.checks import Amiss, checked
from triage.tools.trackers.listed import Listed, ListedSettings
from triage.tools.trackers.listed_comments import GitHubComments
from triage.tools.transport import SURELY_NOT_DONE, Answer, Transport, retry_after

TITLE = 256
"""Characters; not published, but more is refused."""
BODY = 65_536
"""Characters: "body is too long (maximum is 65536 characters)"."""
LABEL = 50
"""Characters; one longer label has the whole issue refused."""
RATE = Rate(500, timedelta(hours=1))
"""Requests that create content, for one user."""
BURST = Rate(80, timedelta(minutes=1))
"""The other such limit. It is not one of a repository, but that is the nearest place for it."""
SECONDARY = timedelta(minutes=1)
"""The least wait after a secondary limit that names none."""
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
VERSION = ("X-GitHub-Api-Version", "2022-11-28")


class Settings(ListedSettings):
    """A repository on GitHub, or on a GitHub Enterprise Server (whose `url` ends with `/api/v3`)."""

    kind: Literal["github"] = "github"
    url: Url = "https://api.github.com"
    creator: str = Field(default="", max_length=100, description="who our issues are by; a GitHub App: `name[bot]`")

    def open(self, name: str, transport: Transport) -> "GitHub":
        """The tool that is set so; raises InvalidSetting."""
        spec = ToolSpec(name, ToolClass.FINDABLE, self.timeout, self.quarantine, rate=RATE, target_rate=BURST)
        return GitHub(spec, transport, self)

    def commenting(self, name: str, tracker: str, transport: Transport) -> GitHubComments:
        """See `ToolSettings`."""
        return GitHubComments(name, transport, self.open(tracker, transport))


class GitHub(Listed):
    """Files issues; targets are `owner/repository`."""

    TEXT: ClassVar[str] = "body"
    NUMBER: ClassVar[str] = "number"
    LINK: ClassVar[str] = "html_url"
    CLOSED: ClassVar[Mapping[str, str]] = {"state": "closed", "sort": "created", "direction": "desc"}

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network; raises InvalidSetting."""
        super().__init__(spec, transport, settings)
        self._url = settings.url
        self._app = settings.creator.endswith("[bot]")
        self._creator = settings.creator

    def credentials(self, deadline: float) -> Headers:
        """The token, and the version of the interface that this is written for."""
        return [*super().credentials(deadline), VERSION]

    def limited(self, answer: Answer) -> bool:
        """A 403 may be a limit: its headers say so, or only its words."""
        told = answer.headers.get("x-ratelimit-remaining") == "0" or "retry-after" in answer.headers
        return answer.status == HTTPStatus.FORBIDDEN and (told or b"rate limit" in answer.body.lower())

    def wait(self, answer: Answer) -> timedelta | None:
        """`Retry-After`, else until the hourly limit begins anew, else a minute."""
        asked = retry_after(answer.headers)
        if asked is None and answer.headers.get("x-ratelimit-remaining") == "0":
            asked = common.until(answer.headers, "x-ratelimit-reset", timedelta(seconds=1))
        over = self.limited(answer) or answer.status in SURELY_NOT_DONE
        return SECONDARY if asked is None and over else asked

    def render(self, request: Request) -> bytes:
        """An issue; labels that do not exist are made by GitHub."""
        hidden = marker.comment(request.key)
        issue = {
            "title": title(request.content, TITLE, MARKDOWN),
            "body": ticket_body(request.content, MARKDOWN, BODY, marker=hidden),
            "labels": [label for label in self.labels(request) if len(label) <= LABEL],
        }
        return compact(issue)

    def values(self, deadline: float) -> LiveValues:
        """The repositories that we may use; labels and people only where all tickets go to one of them."""
        all_of = partial(self.pages, query={}, deadline=deadline)
        # An App's token cannot be asked for the repositories of a user.
        targets = None if self._app else common.names(all_of(f"{self._url}/user/repos"), "full_name")
        if len(self._places) != 1:
            return LiveValues(targets=targets)
        only = self.project(self._places[0])
        users = common.names(all_of(f"{only}/assignees"), "login")
        return LiveValues(targets, labels=common.names(all_of(f"{only}/labels"), "name"), users=users)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """Who we are; and for each repository that the settings name: issues, rights, an honest "absent"."""
        mend = "set a token that may read and write issues; for a GitHub App set `creator` too"
        yield checked("credentials", mend, lambda: f"we are {self.author(deadline)}")
        for place in self._places:
            mend = "name one that has issues, and give the token write access"
            yield checked(f"repository {place}", mend, partial(self._usable, place, deadline))
            yield checked(f"look-up in {place}", "let the token read issues", partial(self.absent, place, deadline))

    def project(self, target: str) -> str:
        """The repository's URL; what is none becomes a name that does not exist."""
        return f"{self._url}/repos/{target if REPOSITORY.fullmatch(target) else quote(target, safe='')}"

    def author(self, deadline: float) -> str:
        """Our login; asked once."""
        if not self._creator:
            login = common.fields_of(self.ask(f"{self._url}/user", deadline)).get("login")
            if not isinstance(login, str) or not login:
                raise NotSent(f"{self.spec.name}: the look-up failed: GitHub does not say who we are")
            self._creator = login
        return self._creator

    def author_of(self, issue: Json) -> str:
        """The login; empty if there is none."""
        user = issue.get("user")
        return str(user.get("login")) if isinstance(user, dict) else ""

    def query(self, author: str, since: str) -> dict[str, str]:
        """`since` is about the last change, which is never before the creation."""
        return {"creator": author, "state": "all", "since": since, "sort": "created", "direction": "desc"}

    def changed_query(self, author: str, since: str) -> dict[str, str]:
        """See `query`."""
        return {**self.query(author, since), "direction": "asc"}

    def _usable(self, place: str, deadline: float) -> str:
        found = common.fields_of(self.ask(self.project(place), deadline))
        rights = found.get("permissions")
        if not found.get("has_issues"):
            raise Amiss("it has no issues")
        if not isinstance(rights, dict) or not rights.get("push"):
            raise Amiss("we may not push, so that labels are left out")
        return "issues are on, and we may label them"
