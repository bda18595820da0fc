"""Jira Data Center: a twin."""

from pathlib import Path
from typing import Any

from tests.tools.subjects.jira_cloud import TOKEN, CommentBase, JiraBase
from tests.tools.subjects.twinned import commenting
from triage.ports import Tool
from triage.testing.twins import jira as twins
from triage.tools.trackers import jira_dc
from triage.tools.trackers.jira import Jira


class Subject(JiraBase):
    """Jira Data Center."""

    kind = "jira-dc"
    against = "twin"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.JiraDataCenter(f"Bearer {TOKEN}")

    def opened(self, **changed: Any) -> Jira:
        """With a personal access token."""
        settings = {**self.shared(), "token": TOKEN, **changed}
        return jira_dc.Settings.model_validate(settings).open("tracker", self.transport)


class CommentSubject(CommentBase):
    """Comments of Jira Data Center."""

    kind = "jira-dc"
    against = "twin"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = twins.JiraDataCenter(f"Bearer {TOKEN}")

    def opened(self, **changed: Any) -> Tool:
        """With a personal access token."""
        settings = {**self.shared(), "token": TOKEN, **changed}
        return commenting(jira_dc.Settings.model_validate(settings), self.transport)
