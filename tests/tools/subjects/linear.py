"""Linear, in front of its twin."""

import json
from pathlib import Path
from typing import Any, ClassVar

from tests.tools.subjects.twinned import Twinned
from triage.ports import Tool
from triage.testing.proxy import Answer
from triage.testing.twins.linear import LABELS, TEAM, LinearTwin
from triage.tools.trackers.linear import Settings

LIMITED = {"errors": [{"message": "Rate limit exceeded", "extensions": {"code": "RATELIMITED"}}]}


class Subject(Twinned):
    """Keyed; reads are POSTs too, and a limit is a 400."""

    kind = "linear"
    target = TEAM
    unknown_target = "00000000-0000-4000-8000-000000000000"
    settings = Settings
    limited: ClassVar[Answer] = Answer(
        400, json.dumps(LIMITED).encode(), {"content-type": "application/json", "retry-after": "7"}
    )
    dangers: ClassVar[tuple[str, ...]] = (r"(?m)^/close", r"(?ms)^```.*^```.*^```")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = LinearTwin()

    @staticmethod
    def writes(method: str, path: str, body: bytes) -> bool:  # noqa: ARG004 - it is all in the body
        """Mutations."""
        return b"mutation" in body

    def opened(self, **settings: Any) -> Tool:
        """With the ids of labels."""
        return super().opened(quarantine=None, labels=LABELS, **settings)

    def arrived(self, remote_id: str) -> str:
        """Title and text."""
        issue = next(issue for issue in self.twin.issues if issue.identifier == remote_id)
        return f"{issue.fields['title']}\n{issue.fields['description']}"
