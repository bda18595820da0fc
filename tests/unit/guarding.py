"""What the tests of guards share: ordinary requests, and policies written as a file would be."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from triage import clock
from triage.guards.policy import Policy
from triage.model import Json, Request, Stage

KEY = "ab" * 32
MONDAY = datetime(2031, 5, 5, 8, 0, tzinfo=UTC)
"""When it is now, in these tests: a working day an hour before work."""
TICKET: Json = {
    "title": "The page stays white",
    "text": "After the login.",
    "origin": {"source": "chat", "source_id": "7", "reporter": "Kim", "url": "https://chat.example.org/7"},
    "why": "rule crash",
    "kind": "crash",
    "severity": "high",
    "component": "web",
    "labels": ["crash", "severity-high"],
    "route": "web",
    "related": [{"id": "5", "url": "https://tracker.example.org/5", "title": "White page"}],
}
NOTICE: Json = {"text": "[high] crash: the page stays white", "link": "https://tracker.example.org/8", "thread": ""}
EVENT: Json = {
    "follow_up": "calendar.block",
    "severity": "high",
    "title": "Look at the white page",
    "text": "See the ticket.",
    "link": "https://tracker.example.org/8",
    "start": "2031-05-05T10:00:00+00:00",
    "minutes": 60,
    "attendees": ["kim@example.org"],
}
CONTENTS = {Stage.CREATE_TICKET: TICKET, Stage.NOTIFY: NOTICE, Stage.FOLLOW_UP: EVENT}


def request(stage: Stage = Stage.CREATE_TICKET, content: Any = None, **fields: Any) -> Request:
    """Make an ordinary request of a stage, with 10 s left."""
    given = {"target": "here", "deadline": clock.now() + 10, "content": CONTENTS[stage] if content is None else content}
    return Request(key=KEY, stage=stage, **(given | fields))


def event(**changes: Any) -> Request:
    """Make a request for a calendar block that differs from the ordinary one in these fields."""
    return request(Stage.FOLLOW_UP, {**EVENT, **changes})


def policy(tmp_path: Path, text: str = "") -> Policy:
    """Load a policy file with this text."""
    path = tmp_path / "policy.toml"
    path.write_text(f'name = "ours"\n{text}', encoding="utf-8")
    return Policy.load(path)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        """Start at 1000 s."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now

    def pass_by(self, span: timedelta) -> None:
        """Let time pass."""
        self.now += span.total_seconds()
