"""Telling a proxy what to break and asking it what it saw, over HTTP, from any process."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from triage.testing.faults import Fault
from triage.testing.proxy.caller import Answer

CONTROL = "/_proxy/"
"""Where the paths of the controls begin; nothing below it is forwarded."""
CONTROL_TIMEOUT = 10.0
"""Seconds for one control call."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that arrived whole: whether it was a write, and the fault that it met (`answer` for a fixed one).

    `path` has its query; header names are in lower case.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    write: bool
    fault: str

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From what `as_json` made."""
        return cls(**{**fields, "body": fields["body"].encode("latin-1")})

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads; the body's bytes are characters of Latin-1."""
        return {
            "method": self.method,
            "path": self.path,
            "headers": dict(self.headers),
            "body": self.body.decode("latin-1"),
            "write": self.write,
            "fault": self.fault,
        }


class ProxyControls:
    """A running proxy; `url` stands for the target's."""

    def __init__(self, url: str) -> None:
        """Speak to the proxy at `url`, such as `http://127.0.0.1:4000`."""
        self.url = url

    def script(self, *steps: str | Fault | Answer, match: str = "", reads: bool = False) -> None:
        """Let the next writes (or reads) meet these faults, kinds of faults or fixed answers, one each, in order.

        `match` is a regular expression; if given, the steps wait for requests in which it is found. It is searched in
        the method, a space, the path with its query, a line feed and the body.
        """
        steps_as_json = [
            {"answer": step.as_json()} if isinstance(step, Answer) else {"fault": Fault.parse(step).as_json()}
            for step in steps
        ]
        self._ask("POST", "script", {"steps": steps_as_json, "match": match, "reads": reads})

    @property
    def writes(self) -> int:
        """How many whole writes arrived from clients."""
        return int(self._ask("GET", "counts")["writes"])

    @property
    def forwarded(self) -> int:
        """How many writes the target has answered; those that commit late count when they have."""
        return int(self._ask("GET", "counts")["forwarded"])

    @property
    def unmet(self) -> int:
        """How many scripted steps no request has met yet."""
        return int(self._ask("GET", "counts")["unmet"])

    @property
    def requests(self) -> list[Exchange]:
        """The last thousand requests, reads too, oldest first."""
        return [Exchange.parse(fields) for fields in self._ask("GET", "requests")]

    def reset(self) -> None:
        """Forget counts, requests and scripts. What commits late then does so, but is not counted."""
        self._ask("POST", "reset", {})

    def _ask(self, method: str, name: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON says
        """Raises ValueError with the proxy's words if it did not accept the wish."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=CONTROL_TIMEOUT)
        try:
            connection.request(method, CONTROL + name, json.dumps(body))
            answer = connection.getresponse()
            value = json.load(answer)
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise ValueError(value["error"])
        return value
