"""GitHub's REST interface, as far as issues need it. See `issues` for what it does badly on purpose."""

from typing import Any

from triage.testing.twins.base import Asked, Reply
from triage.testing.twins.issues import Comment, Issue, IssueTwin, page

REPOSITORY = "octo/hello"
LOGIN = "triage-bot"
LIMITS = {"title": 256, "body": 65_536}
ISSUES = rf"/repos/{REPOSITORY}/issues"


class GitHubTwin(IssueTwin):
    """One repository; objects are numbers of issues."""

    def __init__(self) -> None:
        """See `IssueTwin`."""
        super().__init__(REPOSITORY, LOGIN)
        self.route("GET", "/user", lambda _: Reply(200, {"login": LOGIN, "id": 1, "type": "User"}))
        self.route("GET", "/user/repos", lambda asked: page(asked, [self._repository()], 30))
        self.route("GET", f"/repos/{REPOSITORY}", lambda _: Reply(200, self._repository()))
        self.route("GET", f"/repos/{REPOSITORY}/labels", self._labels)
        self.route("GET", f"/repos/{REPOSITORY}/assignees", lambda asked: page(asked, [{"login": LOGIN}], 30))
        self.route("POST", ISSUES, self._create)
        self.route("GET", ISSUES, self._list)
        self.route("GET", rf"{ISSUES}/(?P<number>\d+)", self._read)
        self.route("POST", rf"{ISSUES}/(?P<number>\d+)/comments", self._comment)
        self.route("GET", rf"{ISSUES}/(?P<number>\d+)/comments", self._comments)
        self.route("GET", f"{ISSUES}/comments", self._all_comments)
        self.route("GET", rf"{ISSUES}/comments/(?P<number>\d+)", self._one_comment)

    def _repository(self) -> dict[str, Any]:
        rights = {"admin": False, "push": self.labels_allowed, "pull": True}
        return {"full_name": REPOSITORY, "has_issues": True, "permissions": rights}

    def _labels(self, asked: Asked) -> Reply:
        return page(asked, [{"name": label} for label in self.labels], 30)

    def _create(self, asked: Asked) -> Reply:
        sent = asked.fields()
        if problem := _problem(sent):
            return Reply(422, {"message": "Validation Failed", "errors": [{"resource": "Issue", **problem}]})
        issue = self.add(sent["title"], sent.get("body") or "", list(sent.get("labels") or []))
        return Reply(201, self._shown(issue))

    def _list(self, asked: Asked) -> Reply:
        query = asked.query

        def wanted(issue: Issue) -> bool:
            ours = not self.filters or issue.author == query.get("creator", issue.author)
            state = query.get("state", "open")
            return ours and state in {"all", issue.state} and issue.updated >= query.get("since", "")

        return page(asked, [self._shown(issue) for issue in self.listed(wanted, query.get("direction", "desc"))], 30)

    def _read(self, asked: Asked) -> Reply:
        if int(asked.parts["number"]) in self.gone:
            return Reply(410, {"message": "This issue was deleted"})
        issue = self.issue(asked.parts["number"])
        return Reply(200, self._shown(issue)) if issue else Reply(404, {"message": "Not Found"})

    def _comment(self, asked: Asked) -> Reply:
        if not (issue := self.issue(asked.parts["number"])):
            return self._read(asked)
        if issue.number in self.locked:
            return Reply(403, {"message": "Unable to create comment because issue is locked."})
        text = asked.fields().get("body")
        if not isinstance(text, str) or not text.strip() or len(text) > LIMITS["body"]:
            return Reply(422, {"message": "Validation Failed", "errors": [{"field": "body", "code": "invalid"}]})
        return Reply(201, self._told(self.comment(issue, text)))

    def _comments(self, asked: Asked) -> Reply:
        if not (issue := self.issue(asked.parts["number"])):
            return self._read(asked)
        return self._page(asked, [one for one in self.comments if one.issue == issue.number])

    def _all_comments(self, asked: Asked) -> Reply:
        return self._page(asked, self.comments)

    def _one_comment(self, asked: Asked) -> Reply:
        found = self.comment_of(asked.parts["number"])
        return Reply(200, self._told(found)) if found else Reply(404, {"message": "Not Found"})

    def _page(self, asked: Asked, comments: list[Comment]) -> Reply:
        since = asked.query.get("since", "")
        there = [one for one in comments if self.comment_of(str(one.number)) and one.created >= since]
        return page(asked, [self._told(one) for one in there], 30)

    def _told(self, comment: Comment) -> dict[str, Any]:
        link = f"https://github.test/{REPOSITORY}/issues/{comment.issue}#issuecomment-{comment.number}"
        return {
            "id": comment.number,
            "body": comment.text,
            "user": {"login": comment.author},
            "created_at": comment.created,
            "updated_at": comment.created,
            "html_url": link,
        }

    def _shown(self, issue: Issue) -> dict[str, Any]:
        path = f"{REPOSITORY}/issues/{issue.number}"
        shown = {
            "id": 1000 + issue.number,
            "number": issue.number,
            "title": issue.title,
            "body": issue.text,
            "user": {"login": issue.author},
            "labels": [{"name": label} for label in issue.labels],
            "state": issue.state,
            "created_at": issue.created,
            "updated_at": issue.updated,
            "html_url": f"https://github.test/{path}",
        }
        return {**shown, "pull_request": {"url": f"https://github.test/{path}"}} if issue.pull else shown


def _problem(sent: dict[str, Any]) -> dict[str, str]:
    """Keys that GitHub does not know are ignored; values of the wrong kind are not."""
    if not isinstance(sent.get("title"), str) or not sent["title"].strip():
        return {"field": "title", "code": "missing_field"}
    for name, limit in LIMITS.items():
        if len(sent.get(name) or "") > limit:
            return {"field": name, "code": "custom", "message": f"{name} is too long (maximum is {limit} characters)"}
    labels = sent.get("labels") or []
    fit = isinstance(labels, list) and all(isinstance(label, str) and 0 < len(label) <= 50 for label in labels)  # noqa: PLR2004 - as GitHub says
    return {} if fit else {"field": "labels", "code": "invalid"}
