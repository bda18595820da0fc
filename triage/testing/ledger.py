"""What the tool server really committed."""

import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

from triage.model import ToolClass
from triage.testing.settings import Settings


@dataclass(frozen=True, slots=True)
class Commit:
    """An object that was made: `body` is the JSON object it was made from, `time` is in Unix seconds."""

    id: str
    key: str
    body: dict[str, Any]
    time: float


@dataclass(slots=True)
class Book:
    """The commits of one endpoint, in order, and how many requests reached it."""

    attempts: int = 0
    commits: list[Commit] = field(default_factory=list)
    by_key: dict[str, list[Commit]] = field(default_factory=lambda: defaultdict(list))
    kept: dict[str, tuple[Commit, float]] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Counts, all keys in the order of their first commit, and the keys that were committed more than once.

        Objects without a key are counted, but cannot be told to be duplicates of one another.
        """
        keyed = {key: len(commits) for key, commits in self.by_key.items() if key}
        return {
            "commits": len(self.commits),
            "attempts": self.attempts,
            "duplicates": [key for key, count in keyed.items() if count > 1],
            "keys": list(keyed),
        }


class Ledger:
    """One book per endpoint. Used by the server's event loop alone, so it needs no lock."""

    def __init__(self) -> None:
        """Start with nothing committed."""
        self.books: dict[str, Book] = defaultdict(Book)

    def post(
        self, endpoint: str, body: dict[str, Any], sent_key: str | None, settings: Settings
    ) -> tuple[HTTPStatus, Commit]:
        """Commit, or recognise a repeat by the key of its header where the endpoint keeps keys.

        Returns 201 with a new object, the settings' repeat status with the first object, or 422 with the first object
        if the same key came with another body.
        """
        book = self.books[endpoint]
        first = self._first(endpoint, sent_key, settings)
        if first is not None:
            same = first.body == body
            return HTTPStatus(settings.repeat_status) if same else HTTPStatus.UNPROCESSABLE_ENTITY, first
        commit = self._commit(endpoint, body, sent_key or str(body.get("key", "")))
        if sent_key is not None:
            book.kept[sent_key] = commit, time.monotonic()
        return HTTPStatus.CREATED, commit

    def find(self, endpoint: str, marker: str, settings: Settings) -> list[Commit]:
        """The objects with this marker that the lagging index already shows."""
        book = self.books[endpoint]
        visible = time.time() - settings.index_lag
        hits = book.commits if settings.find_all else book.by_key.get(marker, [])
        return [commit for commit in hits if commit.time <= visible]

    def summary(self) -> dict[str, Any]:
        """Every endpoint's summary, by endpoint."""
        return {endpoint: book.summary() for endpoint, book in self.books.items()}

    def listing(self, endpoint: str) -> list[dict[str, Any]]:
        """Every commit of an endpoint, in order."""
        return [asdict(commit) for commit in self.books[endpoint].commits]

    def _first(self, endpoint: str, key: str | None, settings: Settings) -> Commit | None:
        kind = endpoint.partition("/")[0]
        kept = self.books[endpoint].kept.get(key) if key is not None else None
        if kept is None or kind not in {ToolClass.KEYED, ToolClass.WINDOWED}:
            return None
        commit, when = kept
        expired = kind == ToolClass.WINDOWED and time.monotonic() - when > settings.key_window
        return None if expired else commit

    def _commit(self, endpoint: str, body: dict[str, Any], key: str) -> Commit:
        book = self.books[endpoint]
        name = endpoint.partition("/")[2]
        commit = Commit(f"{name}-{len(book.commits) + 1}", key, body, time.time())
        book.commits.append(commit)
        book.by_key[key].append(commit)
        return commit
