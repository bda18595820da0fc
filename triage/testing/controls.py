"""Telling a tool server what to do and asking it what it did, over HTTP, from any process."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from triage.testing.faults import ANY, Fault
from triage.testing.ledger import Commit

CONTROL_TIMEOUT = 10.0
"""Seconds for one control call."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an endpoint saw: `duplicates` are the keys with more than one commit."""

    commits: int = 0
    attempts: int = 0
    duplicates: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class Controls:
    """A running tool server. Endpoints are named like `keyed/tickets`: a class, and a name of your choice."""

    def __init__(self, url: str) -> None:
        """Speak to the server at `url`, such as `http://127.0.0.1:4000`."""
        self.url = url

    def endpoint(self, name: str) -> str:
        """The URL to post to."""
        return f"{self.url}/{name}"

    def ledger(self) -> dict[str, Entry]:
        """Every endpoint that was called."""
        summary = self._ask("GET", "/_ledger")
        return {
            name: Entry(book["commits"], book["attempts"], tuple(book["duplicates"]), tuple(book["keys"]))
            for name, book in summary.items()
        }

    def entry(self, endpoint: str) -> Entry:
        """What one endpoint saw; all zero if it was never called."""
        return self.ledger().get(endpoint, Entry())

    def commits(self, endpoint: str) -> list[Commit]:
        """Every object that was really made, in order."""
        return [Commit(**fields) for fields in self._ask("GET", f"/_commits?endpoint={quote(endpoint)}")]

    def script(self, endpoint: str, *faults: str | Mapping[str, Any] | Fault, method: str = "POST") -> None:
        """Let the next requests of an endpoint (`*` for any) meet these faults, one each, in order."""
        entries = [{"endpoint": endpoint or ANY, "method": method, **Fault.parse(fault).as_json()} for fault in faults]
        self._ask("POST", "/_faults", {"script": entries})

    def schedule(self, seed: int, rates: Mapping[str, float], seconds: float = 1.0) -> None:
        """Let every post meet a fault with these probabilities by kind; no rates, no faults."""
        self._ask("POST", "/_faults", {"schedule": {"seed": seed, "rates": dict(rates), "seconds": seconds}})

    def configure(self, **settings: float | bool) -> None:
        """Change fields of `Settings`."""
        self._ask("POST", "/_faults", settings)

    def reset(self) -> None:
        """Forget ledger, faults and changed settings. What hangs or commits late then does so unseen."""
        self._ask("POST", "/_reset")

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON says
        """Raises ValueError with the server's words if it did not accept the wish."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=CONTROL_TIMEOUT)
        try:
            connection.request(method, path, json.dumps(body))
            answer = connection.getresponse()
            value = json.load(answer)
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(value["error"])
        return value
