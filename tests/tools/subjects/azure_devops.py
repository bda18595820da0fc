"""Azure DevOps, in front of its twin."""

from pathlib import Path

from tests.tools.subjects.twinned import Twinned
from triage.testing.twins.azure_devops import PROJECT, TEXT, TITLE, AzureDevOpsTwin
from triage.tools.trackers.azure_devops import Settings


class Subject(Twinned):
    """Findable by a tag; queries are POSTs too."""

    kind = "azure-devops"
    target = PROJECT
    unknown_target = "Nowhere"
    settings = Settings
    dangers = ("<img", "<script", '<a href="https://evil')

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.twin = AzureDevOpsTwin()

    @staticmethod
    def writes(method: str, path: str, body: bytes) -> bool:  # noqa: ARG004 - the path says it
        """All but queries."""
        return method != "GET" and "/wiql" not in path

    def arrived(self, remote_id: str) -> str:
        """Title, text and tags."""
        item = self.twin.items[int(remote_id) - 1]
        return f"{item.fields[TITLE]}\n{item.fields[TEXT]}\n{' '.join(item.tags)}"
