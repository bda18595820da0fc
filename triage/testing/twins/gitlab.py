"""GitLab's REST interface, as far as issues need it. See `issues` for what it does badly on purpose."""

import re
from typing import Any

from triage.testing.twins.base import Asked, Reply
from triage.testing.twins.issues import Comment, Issue, IssueTwin, page

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
        self.route("POST", rf"{at}/issues/(?P<number>\d+)/notes", self._note)
        self.route("GET", rf"{at}/issues/(?P<number>\d+)/notes", self._notes)
        self.route("GET", rf"{at}/issues/(?P<number>\d+)/notes/(?P<note>\d+)", self._one_note)

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
        author, state = query.get("author_id", ""), query.get("state", "all")

        def wanted(issue: Issue) -> bool:
            ours = not self.filters or author in {"", issue.author}
            late = issue.created >= query.get("created_after", "") and issue.updated >= query.get("updated_after", "")
            return ours and late and state in {"all", issue.state}

        return page(asked, [self._shown(issue) for issue in self.listed(wanted, query.get("sort", "desc"))], 20)

    def _read(self, asked: Asked) -> Reply:
        issue = self.issue(asked.parts["number"])
        return Reply(200, self._shown(issue)) if issue else Reply(404, {"message": "404 Not found"})

    def _note(self, asked: Asked) -> Reply:
        if not (issue := self.issue(asked.parts["number"])):
            return self._read(asked)
        text = asked.fields().get("body")
        if not isinstance(text, str) or not text.strip() or len(text) > LIMITS["description"]:
            return Reply(400, {"message": "400 Bad request - Note can't be blank"})
        if not (kept := COMMAND.sub("", text)).strip():
            return Reply(202, {"commands_changes": {}, "summary": ["Applied commands."]})
        return Reply(201, self._told(self.comment(issue, kept)))

    def _notes(self, asked: Asked) -> Reply:
        if not (issue := self.issue(asked.parts["number"])):
            return self._read(asked)
        on_it = [one for one in self.comments if one.issue == issue.number and one.number not in self.gone]
        youngest_first = asked.query.get("sort", "desc") == "desc"
        return page(asked, [self._told(one) for one in (on_it[::-1] if youngest_first else on_it)], 20)

    def _one_note(self, asked: Asked) -> Reply:
        found = self.comment_of(asked.parts["note"])
        fits = found is not None and str(found.issue) == asked.parts["number"]
        return Reply(200, self._told(found)) if found and fits else Reply(404, {"message": "404 Not found"})

    def _told(self, note: Comment) -> dict[str, Any]:
        return {
            "id": note.number,
            "body": note.text,
            "author": {"id": int(note.author), "username": "somebody"},
            "system": False,
            "created_at": note.created,
            "noteable_type": "Issue",
            "noteable_iid": note.issue,
        }

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
            "updated_at": issue.updated,
            "web_url": f"https://gitlab.test/{PROJECT}/-/issues/{issue.number}",
        }
