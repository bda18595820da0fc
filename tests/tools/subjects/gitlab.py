"""GitLab, in front of its twin."""

from pathlib import Path
from typing import ClassVar

from tests.tools.subjects.twinned import CommentTwinned, Twinned
from triage.testing.twins.gitlab import PROJECT, GitLabTwin
from triage.tools.trackers.gitlab import Settings


class Subject(Twinned):
    """Findable; lines with commands would be carried out."""

    kind = "gitlab"
    target = PROJECT
    unknown_target = "group/nowhere"
    settings = Settings
    dangers: ClassVar[tuple[str, ...]] = (r"(?m)^/close", r"(?ms)^```.*^```.*^```")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = GitLabTwin()


class CommentSubject(CommentTwinned):
    """Notes on its first issue."""

    kind = "gitlab"
    repository = PROJECT
    target = f"{PROJECT}#1"
    unknown_target = f"{PROJECT}#99"
    settings = Settings
    dangers: ClassVar[tuple[str, ...]] = Subject.dangers

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = GitLabTwin()
