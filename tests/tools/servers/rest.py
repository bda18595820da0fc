"""One HTTP call to a server under test, past the adapters and proxies that are tested."""

import base64
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 20.0


class CallError(Exception):
    """A server answered with an error; `status` says which."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status


def call(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of the answer; CallError if its status is 400 or more, OSError if there is none."""
    where = urlsplit(url)
    target = url.removeprefix(f"{where.scheme}://{where.netloc}") or "/"
    connection = http.client.HTTPConnection(where.netloc, timeout=TIMEOUT)
    try:
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        words = answer.read()
    finally:
        connection.close()
    if answer.status >= http.HTTPStatus.BAD_REQUEST:
        raise CallError(answer.status, words.decode(errors="replace")[:500])
    return words


def call_json(method: str, url: str, value: object = None, headers: Mapping[str, str] | None = None) -> Any:
    """The same with JSON both ways; None if the answer has no body."""
    body = None if value is None else json.dumps(value).encode()
    words = call(method, url, body, {"Content-Type": "application/json", **(headers or {})})
    return json.loads(words) if words.strip() else None


def answers(url: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a GET is answered without an error."""
    try:
        call("GET", url, headers=headers)
    except (CallError, OSError, http.client.HTTPException):
        return False
    return True


def basic(user: str, password: str) -> dict[str, str]:
    """The header of basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
