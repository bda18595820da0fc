"""GitHub, in front of its twin."""

from pathlib import Path
from typing import ClassVar

from tests.tools.scene import says
from tests.tools.subjects.twinned import CommentTwinned, Twinned
from triage.testing.proxy import Answer
from triage.testing.twins.github import REPOSITORY, GitHubTwin
from triage.tools.trackers.github import Settings


class Subject(Twinned):
    """Findable; it says "too often" with a 403."""

    kind = "github"
    target = REPOSITORY
    unknown_target = "octo/nowhere"
    settings = Settings
    limited: ClassVar[Answer] = says(403, {"x-ratelimit-remaining": "0", "retry-after": "7"})
    dangers: ClassVar[tuple[str, ...]] = (r"(?m)^/close", r"(?ms)^```.*^```.*^```")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = GitHubTwin()


class CommentSubject(CommentTwinned):
    """Comments on its first issue."""

    kind = "github"
    repository = REPOSITORY
    target = f"{REPOSITORY}#1"
    unknown_target = f"{REPOSITORY}#99"
    settings = Settings
    limited: ClassVar[Answer] = Subject.limited
    dangers: ClassVar[tuple[str, ...]] = Subject.dangers

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = GitHubTwin()
