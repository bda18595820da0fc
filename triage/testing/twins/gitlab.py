"""GitLab's REST interface, as far as issues need it. See `issues` for what it does badly on purpose."""

import re
from typing import Any

from triage.testing.twins.base import Asked, Reply
from triage.testing.twins.issues import Issue, IssueTwin, page

PROJECT = "group/hello"
NUMBER = 7
ME = "11"
LIMITS = {"title": 255, "description": 1_048_576}
REPORTER = 20
GUEST = 10
COMMAND = re.compile(r"^/(close|assign|label|confidential)\b.*$", re.MULTILINE)


class GitLabTwin(IssueTwin):
    """One project; objects are its own numbers of issues. Lines with a command are carried out and cut out."""

    def __init__(self) -> None:
        """See `IssueTwin`."""
        super().__init__(PROJECT, ME)
        self.issues[1].pull = False  # the list of issues has no merge requests
        at = f"/api/v4/projects/(?:group%2Fhello|{NUMBER})"
        self.route("GET", "/api/v4/user", lambda _: Reply(200, {"id": int(ME), "username": "triage-bot"}))
        self.route("GET", "/api/v4/projects", lambda asked: page(asked, [self._project()], 20))
        self.route("GET", at, lambda _: Reply(200, self._project()))
        self.route("GET", f"{at}/labels", lambda asked: page(asked, [{"name": name} for name in self.labels], 20))
        self.route("GET", f"{at}/members/all", lambda asked: page(asked, [{"username": "triage-bot"}], 20))
        self.route("POST", f"{at}/issues", self._create)
        self.route("GET", f"{at}/issues", self._list)
        self.route("GET", rf"{at}/issues/(?P<number>\d+)", self._read)

    def _project(self) -> dict[str, Any]:
        level = REPORTER if self.labels_allowed else GUEST
        rights = {"project_access": {"access_level": level}, "group_access": None}
        named = {"id": NUMBER, "path_with_namespace": PROJECT}
        return {**named, "issues_access_level": "enabled", "permissions": rights}

    def _create(self, asked: Asked) -> Reply:
        sent = asked.fields()
        if not sent.get("title"):
            return Reply(400, {"error": "title is missing"})
        for name, limit in LIMITS.items():
            if len(sent.get(name) or "") > limit:
                return Reply(400, {"message": {name: [f"is too long (maximum is {limit} characters)"]}})
        labels = [label.strip() for label in str(sent.get("labels") or "").split(",") if label.strip()]
        issue = self.add(sent["title"], sent.get("description") or "", labels)
        issue.state = "closed" if "/close" in COMMAND.findall(issue.text) else "opened"
        issue.text = COMMAND.sub("", issue.text)
        return Reply(201, self._shown(issue))

    def _list(self, asked: Asked) -> Reply:
        query = asked.query
        author = query.get("author_id", "")

        def wanted(issue: Issue) -> bool:
            return (not self.filters or author in {"", issue.author}) and issue.created >= query.get(
                "created_after", ""
            )

        return page(asked, [self._shown(issue) for issue in self.listed(wanted)], 20)

    def _read(self, asked: Asked) -> Reply:
        issue = self.issue(asked.parts["number"])
        return Reply(200, self._shown(issue)) if issue else Reply(404, {"message": "404 Not found"})

    def _shown(self, issue: Issue) -> dict[str, Any]:
        return {
            "id": 1000 + issue.number,
            "iid": issue.number,
            "project_id": NUMBER,
            "title": issue.title,
            "description": issue.text,
            "author": {"id": int(issue.author), "username": "somebody"},
            "labels": issue.labels,
            "state": issue.state,
            "created_at": issue.created,
            "updated_at": issue.created,
            "web_url": f"https://gitlab.test/{PROJECT}/-/issues/{issue.number}",
        }
