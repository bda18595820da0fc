"""Access tokens by OAuth 2: fetched by one POST, kept until shortly before they end."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import urlencode

from triage import clock
from triage.errors import NotSent, OutcomeUnknown
from triage.model import ToolSpec
from triage.tools.adapter import JSON_BODY, HttpAdapter
from triage.tools.connection import Headers
from triage.tools.transport import Answer, Transport, failure, retry_after

EARLY = 60.0
"""Seconds before its end from which a token is not used any more."""
SHORTEST = 5.0
"""Seconds that any token is used for, so that an odd answer does not cost a fetch for each call."""
LONGEST = 24 * 3600.0
FORM: Headers = [("Content-Type", "application/x-www-form-urlencoded")]

Granted: TypeAlias = tuple[str, timedelta]
"""A token and how long it lives."""


@dataclass(slots=True)
class Tokens:
    """One token for all threads; two that find none fetch two, which does no harm."""

    fetch: Callable[[float], Granted]
    _kept: tuple[str, float] = field(default=("", 0.0), repr=False)

    def headers(self, deadline: float) -> Headers:
        """The header with a token that still lives; raises `NotSent` if none can be had."""
        token, until = self._kept
        if clock.now() >= until:
            token, lifetime = self.fetch(deadline)
            seconds = min(max(lifetime.total_seconds() - EARLY, SHORTEST), LONGEST)
            self._kept = token, clock.now() + seconds
        return [("Authorization", f"Bearer {token}")]

    def forget(self) -> None:
        """Fetch another one for the next call: this one may have been revoked."""
        self._kept = "", 0.0


class TokenAdapter(HttpAdapter):
    """Base of the tools that are called with such a token. A call that was not accepted costs the token."""

    def __init__(self, spec: ToolSpec, transport: Transport, tokens: Tokens) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._tokens = tokens

    def credentials(self, deadline: float) -> Headers:
        """An access token."""
        return self._tokens.headers(deadline)

    def write(
        self,
        method: str,
        url: str,
        body: bytes,
        deadline: float,
        *,
        headers: Headers = JSON_BODY,
        also: Iterable[int] = (),
    ) -> Answer:
        """See `HttpAdapter`."""
        with self._doubting():
            return super().write(method, url, body, deadline, headers=headers, also=also)

    def ask(
        self,
        url: str,
        deadline: float,
        *,
        method: str = "GET",
        body: bytes = b"",
        headers: Headers = (),
        also: Iterable[int] = (),
    ) -> Answer:
        """See `HttpAdapter`."""
        with self._doubting():
            return super().ask(url, deadline, method=method, body=body, headers=headers, also=also)

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        try:
            yield
        except NotSent:
            self._tokens.forget()
            raise


def fixed(token: str) -> Tokens:
    """A token that somebody else renews."""
    return Tokens(lambda _: (token, timedelta(days=1)))


def granted(transport: Transport, url: str, form: dict[str, str], deadline: float) -> Granted:
    """Ask a token endpoint; raises `NotSent`. It changes nothing there, so asking again does no harm."""
    answer = transport.look("POST", url, urlencode(form).encode(), FORM, deadline)
    if not answer.good:
        raise NotSent(f"no token for our credentials: {failure(answer)}", retry_after(answer.headers))
    try:
        fields = answer.fields()
        token, seconds = fields.get("access_token"), float(fields.get("expires_in", 0))
    except (OutcomeUnknown, TypeError, ValueError):
        raise NotSent("no token for our credentials: the answer is none") from None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        raise NotSent("no token for our credentials: the answer has none")
    return token, timedelta(seconds=min(max(seconds, 0.0), LONGEST))
