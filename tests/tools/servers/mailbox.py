"""What a mail server did, read from the file that it writes."""

import json
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server took: the envelope's addresses, the text with its headers; `time` is in Unix seconds."""

    sender: str
    recipients: list[str]
    text: str
    time: float

    @property
    def message(self) -> Message:
        """The parsed mail."""
        return message_from_string(self.text)

    @property
    def message_id(self) -> str:
        """Its Message-ID, with angle brackets; empty if it has none."""
        return str(self.message.get("message-id", ""))


class Mailbox:
    """The file has a line of JSON for each DATA command and each mail, and outlives the server."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def messages(self) -> list[Mail]:
        """Every mail that was taken, in order."""
        return [Mail(**entry["mail"]) for entry in self._entries() if "mail" in entry]

    @property
    def data_commands(self) -> int:
        """How often a client said DATA and was told to go on, whatever came of it."""
        return sum("data" in entry for entry in self._entries())

    def with_id(self, message_id: str) -> list[Mail]:
        """The mails with this Message-ID."""
        return [mail for mail in self.messages if mail.message_id == message_id]

    def delete(self, message_id: str) -> None:
        """Forget the mails with this Message-ID."""
        entries = [entry for entry in self._entries() if "mail" not in entry or not _has(entry, message_id)]
        self.path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))

    def append(self, entry: dict[str, Any]) -> None:
        """Write a line, for the server alone."""
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def _has(entry: dict[str, Any], message_id: str) -> bool:
    return Mail(**entry["mail"]).message_id == message_id
