"""A tool for any system that takes JSON by POST.

It is sent `{"key": ..., "target": ..., **content}`, and answers 2xx with a JSON object that has an `id` and may have a
`url`. A system that can be asked afterwards answers `GET find_url?marker=<key>` with 200 and a JSON list of objects (or
one object), each with the `key` it was made with, an `id`, and perhaps a `url`.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, SecretStr, model_validator

from triage.errors import InvalidSetting, NotSent, OutcomeUnknown
from triage.model import Json, Request, Sent, ToolClass, ToolSpec
from triage.tools.adapter import JSON_BODY, HttpAdapter, compact, usable_id, usable_link
from triage.tools.connection import Address, Headers
from triage.tools.settings import ToolSettings
from triage.tools.transport import Answer, Transport

WITH_KEY = {ToolClass.KEYED, ToolClass.WINDOWED}
TOKEN = re.compile(r"[\x21-\x7e]+")


class Settings(ToolSettings):
    """A webhook: how it lets us find out what happened is for its owner to say."""

    kind: Literal["webhook"] = "webhook"
    url: str = Field(pattern=r"^https?://", description="where a webhook's calls go")
    find_url: str | None = Field(default=None, pattern=r"^https?://", description="where a findable webhook is asked")
    token: SecretStr | None = Field(default=None, description="sent as a bearer token")
    tool_class: ToolClass = Field(default=ToolClass.BLIND, description="how it lets us find out what happened")
    quarantine: timedelta = Field(default=timedelta(seconds=30), ge=timedelta(), le=timedelta(hours=1))
    key_window: timedelta | None = Field(default=None, gt=timedelta())

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.tool_class is ToolClass.FINDABLE and (self.find_url is None or not self.quarantine):
            raise ValueError("a findable webhook needs `find_url` and a `quarantine` above zero")
        if (self.tool_class is ToolClass.WINDOWED) != (self.key_window is not None):
            raise ValueError("`key_window` belongs to the class `windowed`, and only to it")
        return self

    def open(self, name: str, transport: Transport) -> "Webhook":
        """The tool that is set so; raises InvalidSetting."""
        spec = ToolSpec(name, self.tool_class, self.timeout, self.quarantine, self.key_window)
        token = self.token.get_secret_value() if self.token else ""
        return Webhook(spec, self.url, transport, find_url=self.find_url or "", secret=token)


class Webhook(HttpAdapter):
    """A `Tool` that posts JSON to a fixed URL; the request's target is part of the content."""

    def __init__(self, spec: ToolSpec, url: str, transport: Transport, *, find_url: str = "", secret: str = "") -> None:
        """Set up without touching the network. `secret` is sent as a bearer token and shown nowhere.

        Raises:
            InvalidSetting: a URL or the secret cannot be used, or a findable tool has no `find_url`.
        """
        super().__init__(spec, transport)
        self._url = url
        self._find_url = find_url
        self._headers = _authorization(secret.strip())
        _check_urls(spec, url, find_url)

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The token, if there is one."""
        return self._headers

    def render(self, request: Request) -> bytes:
        """Canonical JSON. The key and the target are put in last: content must not be able to replace them."""
        return compact({**request.content, "key": request.key, "target": request.target})

    def send(self, request: Request) -> Sent:
        """Post once; see `ports.Tool`. The same request always makes the same bytes."""
        keyed = self.spec.tool_class in WITH_KEY
        headers = [*JSON_BODY, ("Idempotency-Key", request.key)] if keyed else JSON_BODY
        also = (HTTPStatus.CONFLICT,) if keyed else ()
        answer = self.write("POST", self._url, self.render(request), request.deadline, headers=headers, also=also)
        return _sent(answer.fields())

    def find(self, request: Request) -> Sent | None:
        """Look for the object with this key; see `ports.Tool`.

        Only a 200 with JSON counts as an answer. A 404 does not: it may as well mean that the URL is wrong, and taking
        it for "absent" would send the request a second time.
        """
        if not self._find_url:
            raise NotSent(f"{self.spec.name} cannot be asked: it has no look-up URL")
        mark = "&" if "?" in self._find_url else "?"
        url = f"{self._find_url}{mark}{urlencode({'marker': request.key})}"
        answer = self.ask(url, request.deadline)
        try:
            hit = next((item for item in _items(answer) if item.get("key") == request.key), None)
            return None if hit is None else _sent(hit)
        except OutcomeUnknown as error:
            raise NotSent(f"the look-up failed: {error}") from error


def _check_urls(spec: ToolSpec, url: str, find_url: str) -> None:
    Address.parse(url)
    if find_url:
        Address.parse(find_url)
    elif spec.tool_class is ToolClass.FINDABLE:
        raise InvalidSetting(f"{spec.name} is findable and needs a look-up URL")


def _authorization(secret: str) -> list[tuple[str, str]]:
    if secret and not TOKEN.fullmatch(secret):
        raise InvalidSetting("the secret contains characters that a header cannot carry")
    return [("Authorization", f"Bearer {secret}")] if secret else []


def _items(answer: Answer) -> Sequence[Json]:
    """The objects of a look-up's answer; raises `OutcomeUnknown` if it is neither a list of them nor one.

    What does not say which key it was made with may be another answer than we hoped for.
    """
    value: Any = answer.value()
    items: list[Any] = value if isinstance(value, list) else [value]
    if answer.status != HTTPStatus.OK or not all(isinstance(item, dict) and "key" in item for item in items):
        raise OutcomeUnknown(f"status {answer.status}, and no list of objects with their keys")
    return items


def _sent(fields: Json) -> Sent:
    """Read an object; raises `OutcomeUnknown` if it has no id: something was done, and we cannot say what."""
    remote_id = usable_id(fields.get("id"))
    if not remote_id:
        raise OutcomeUnknown("the answer has no id that can be kept")
    return Sent(remote_id, usable_link(fields.get("url")))
