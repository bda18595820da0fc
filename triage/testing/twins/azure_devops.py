"""Azure DevOps' REST interface, as far as work items need it."""

import base64
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from triage.testing.twins.base import Asked, Reply, Twin
from triage.testing.twins.issues import TOKEN
from triage.tools import marker

PROJECT = "Fabrikam Fiber"
TITLE, TEXT, TAGS, PRIORITY = (
    "System.Title",
    "Microsoft.VSTS.TCM.ReproSteps",
    "System.Tags",
    "Microsoft.VSTS.Common.Priority",
)
CUSTOM = "Custom.TriageKey"
KNOWN = {TITLE, TEXT, TAGS, PRIORITY, CUSTOM, "System.Description"}
LIMITS = {TITLE: 255, TEXT: 1_048_576}
PATH = "/fields/"
TAG = re.compile(r"\[System\.Tags\] CONTAINS '([^']*)'")
SINCE = re.compile(r"\[System\.CreatedDate\] >= '([^']*)'")
EQUAL = re.compile(rf"\[({re.escape(CUSTOM)})\] = '([^']*)'")
MEDIA = "application/json-patch+json"


@dataclass(slots=True)
class Item:
    """One work item; `key` is that of the text or the field as they were sent."""

    number: int
    fields: dict[str, Any]
    key: str
    gone: bool = False
    made: float = field(default_factory=time.monotonic)
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return [tag.strip() for tag in str(self.fields.get(TAGS, "")).split(";") if tag.strip()]


class AzureDevOpsTwin(Twin):
    """One project; objects are numbers.

    `keeps_marker`: without it the line is cut out of the text, and tags are lost. `filters`: without it a query finds
    everything.
    """

    def __init__(self) -> None:
        """There is already a work item of somebody else."""
        super().__init__()
        self.keeps_marker = True
        self.filters = True
        self.items = [
            Item(1, {TITLE: "Somebody else's", TEXT: "<p>a text</p>", TAGS: "ui", "System.TeamProject": PROJECT}, "")
        ]
        at = "/" + PROJECT.replace(" ", "%20") + "/_apis/wit"
        self.route("GET", "/_apis/projects", self._projects)
        self.route(
            "GET", f"{at}/workitemtypes/Bug/fields", lambda _: _many([{"referenceName": name} for name in KNOWN])
        )
        self.route("POST", rf"{at}/workitems/\$Bug", self._create)
        self.route("POST", "/_apis/wit/wiql", self._query)
        self.route("GET", "/_apis/wit/workitems", self._read_many)
        self.route("GET", r"/_apis/wit/workitems/(?P<number>\d+)", self._read)

    def answer(self, asked: Asked) -> Reply:
        """Those without the token are shown a page to sign in, with status 203."""
        if asked.headers.get("authorization") != "Basic " + base64.b64encode(f":{TOKEN}".encode()).decode():
            return Reply(203, b"<html>Azure DevOps Services | Sign In</html>", {"Content-Type": "text/html"})
        return super().answer(asked)

    def objects(self, key: str) -> list[str]:
        """See `Twin`."""
        return [str(item.number) for item in self.items if item.key == key and not item.gone]

    def delete(self, remote_id: str) -> None:
        """See `Twin`."""
        self.items[int(remote_id) - 1].gone = True

    def _projects(self, asked: Asked) -> Reply:
        return _many([{"id": "1", "name": PROJECT}] if asked.query.get("$skip", "0") == "0" else [])

    def _create(self, asked: Asked) -> Reply:
        patch = asked.value()
        if asked.headers.get("content-type") != MEDIA or not isinstance(patch, list):
            return _error(415, "VS403357: The content type is not supported")
        fields = {str(operation["path"]).removeprefix(PATH): operation["value"] for operation in patch}
        if problem := _problem(fields):
            return _error(400, problem)
        key = fields.get(CUSTOM) or marker.in_lines(fields[TEXT])
        if not self.keeps_marker:
            fields = {**fields, TEXT: marker.LINE.sub("", fields[TEXT]), TAGS: "", CUSTOM: ""}
        item = Item(len(self.items) + 1, {**fields, "System.TeamProject": PROJECT}, key)
        self.items.append(item)
        return Reply(200, self._shown(item))

    def _query(self, asked: Asked) -> Reply:
        wiql = str(asked.fields().get("query"))
        tags, since, equal = TAG.findall(wiql), SINCE.findall(wiql), EQUAL.findall(wiql)
        if not (tags or equal):
            return _error(400, "TF51005: The query references a field that does not exist.")
        there = [item for item in reversed(self.items) if not item.gone and self.indexed(item.made)]
        hits = [
            item
            for item in there
            if not self.filters
            or (
                all(tag in item.tags for tag in tags)
                and all(item.created >= moment for moment in since)
                and all(item.fields.get(name) == value for name, value in equal)
            )
        ]
        return Reply(200, {"queryType": "flat", "workItems": [{"id": item.number} for item in hits]})

    def _read_many(self, asked: Asked) -> Reply:
        ids = [int(number) for number in asked.query["ids"].split(",")]
        found = [item for item in self.items if item.number in ids and not item.gone]
        if len(found) < len(ids):
            return _error(404, "TF401232: Work item does not exist, or you do not have permissions to read it.")
        wanted = set(asked.query["fields"].split(","))
        return _many([self._shown(item, wanted) for item in found])

    def _read(self, asked: Asked) -> Reply:
        number = int(asked.parts["number"])
        item = next((item for item in self.items if item.number == number and not item.gone), None)
        return Reply(200, self._shown(item)) if item else _error(404, f"TF401232: Work item {number} does not exist")

    def _shown(self, item: Item, wanted: set[str] | None = None) -> dict[str, Any]:
        fields = {
            name: value for name, value in item.fields.items() if (wanted is None or name in wanted) and value != ""
        }
        return {"id": item.number, "rev": 1, "fields": fields, "url": f"{self.url}/_apis/wit/workItems/{item.number}"}


def _problem(fields: dict[str, Any]) -> str:
    if unknown := set(fields) - KNOWN:
        return f"TF51535: Cannot find field {unknown.pop()}."
    for name, limit in LIMITS.items():
        if len(str(fields.get(name, "")).encode("utf-16-le")) // 2 > limit:
            return f"TF401320: Rule Error for field {name}. Error code: InvalidTooLong."
    return "" if fields.get(PRIORITY) in {1, 2, 3, 4} else "TF401320: Rule Error for field Priority."


def _many(values: list[dict[str, Any]]) -> Reply:
    return Reply(200, {"count": len(values), "value": values})


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"$id": "1", "innerException": None, "message": message, "errorCode": 0, "eventId": 3200})
