"""Slack by its Web API, with the key in the message's metadata, where the channel's history shows it again.

Slack has no key of its own: `client_msg_id` is none of the arguments of `chat.postMessage`. An app that may not read
the history cannot be asked what happened; then `findable` must be false. The same goes for commercial apps
outside Slack's marketplace, which may read a history once a minute, 15 messages at a time (changelog, May 2025).
Metadata can be read by every app and member of the channel. Facts: docs.slack.dev, `chat.postMessage`,
`conversations.history`, rate limits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from pydantic import Field, model_validator

from triage.errors import NotSent, OutcomeUnknown, Refused
from triage.model import Finding, Json, LiveValues, Marked, Rate, Request, Sent, ToolClass, ToolSpec
from triage.text.body import notice_text
from triage.text.flavours import SLACK
from triage.tools.adapter import CLOCKS, HttpAdapter, compact, text_of, usable_id
from triage.tools.connection import Headers
from triage.tools.notifiers.notice import LONGEST_TEXT, absent, checked, key_in, looked, naming, quoted
from triage.tools.settings import FindableSettings, TokenSettings, Url
from triage.tools.transport import Transport

API = "https://slack.com/api"
EVENT = "triage_run"
RATE = Rate(1, timedelta(seconds=1))
"""About one message a second for each channel."""
PAGE = 100
PAGES = 50
"""Of messages, at most 5,000; a page stays below the length of an answer that is read."""
UTF8: Headers = [("Content-Type", "application/json; charset=utf-8")]
TS = re.compile(r"\d{1,12}\.\d{1,9}")
CHANNEL = re.compile(r"[CGD][A-Z0-9]{2,20}")

UNSURE = {"internal_error", "fatal_error", "service_unavailable"}
"""Slack says of these that a part of the work may have been done."""
LIMITS = {"ratelimited", "rate_limited", "message_limit_exceeded", "request_timeout", "team_added_to_org"}
"""Nothing was done, and the same may be accepted later."""
CREDENTIALS = {
    *("not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"),
    *("missing_scope", "no_permission", "ekm_access_denied", "access_denied", "org_login_required"),
    *("team_access_not_granted", "accesslimited", "two_factor_setup_required"),
}
"""Nothing was done, and people can mend it at Slack."""


class Settings(TokenSettings, FindableSettings):
    """A Slack app: `token` is its bot token with the scopes `chat:write`, `channels:read` and `channels:history`."""

    kind: Literal["slack"] = "slack"
    url: Url = API
    workspace: Annotated[str, Field(description="https://NAME.slack.com, for links to messages; none: no links")] = ""
    findable: Annotated[bool, Field(description="false: the app cannot read the history, and a lost answer waits")] = (
        True
    )
    quarantine: timedelta = Field(default=timedelta(minutes=1), gt=timedelta(), le=timedelta(hours=1))

    @model_validator(mode="after")
    def _ids(self) -> Self:
        wrong = [target for target in self.targets if not CHANNEL.fullmatch(target)]
        if wrong:
            raise ValueError(
                f"{wrong[0]!r} is no channel's id: it is at the end of the channel's details, as C024BE91L"
            )
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The channels that are set."""
        return tuple(dict.fromkeys(target for target in (self.target, *self.routes.values()) if target))

    def open(self, name: str, transport: Transport) -> "Slack":
        """The tool that is set so."""
        kind = ToolClass.FINDABLE if self.findable else ToolClass.BLIND
        spec = ToolSpec(name, kind, self.timeout, self.quarantine, target_rate=RATE)
        return Slack(spec, transport, self)


class Slack(HttpAdapter):
    """A `Tool` that posts to channels; the object's id is `CHANNEL:TS`."""

    def __init__(self, spec: ToolSpec, transport: Transport, settings: Settings) -> None:
        """Touches no network."""
        super().__init__(spec, transport)
        self._settings = settings

    def credentials(self, deadline: float) -> Headers:  # noqa: ARG002 - a fixed token
        """The app's token."""
        return [("Authorization", f"Bearer {self._settings.token.get_secret_value()}")]

    def render(self, request: Request) -> bytes:
        """The arguments of `chat.postMessage`: without previews, in the thread of the run's first message."""
        thread = _thread(request)
        return compact(
            {
                "channel": request.target,
                "text": notice_text(request.content, SLACK, LONGEST_TEXT),
                "metadata": {"event_type": EVENT, "event_payload": {"key": request.key}},
                "unfurl_links": False,
                "unfurl_media": False,
                "parse": "none",
                "link_names": False,
                **({"thread_ts": thread} if thread else {}),
            }
        )

    def send(self, request: Request) -> Sent:
        """Post once; see `ports.Tool`. Most of Slack's errors come with status 200."""
        if not CHANNEL.fullmatch(request.target):
            raise Refused(f"{quoted(request.target)} is no channel's id")
        url = f"{self._settings.url}/chat.postMessage"
        with naming(request.target):
            answer = self.write("POST", url, self.render(request), request.deadline, headers=UTF8)
            fields = answer.fields()
            if fields.get("ok") is not True:
                raise _failure(self.spec.name, fields, self.wait(answer))
        return self._posted(fields)

    def find(self, request: Request) -> Sent | None:
        """Look through the channel's or the thread's messages; see `ports.Tool`."""
        since = datetime.now(UTC) - request.age - CLOCKS
        for message in self._messages(request.target, _thread(request), since, request.deadline):
            if _key(message) == request.key:
                return self._hit(request.target, message)
        return None

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Whether the message is there, and with its marker."""
        if self.spec.tool_class is not ToolClass.FINDABLE:
            return ()
        channel, _, ts = sent.remote_id.partition(":")
        query = {"channel": channel, "oldest": ts, "latest": ts, "inclusive": "true", "include_all_metadata": "true"}
        thread = _thread(request)
        page = self._ask(_history(thread), {**query, **({"ts": thread} if thread else {})}, request.deadline)
        message = next((message for message in _items(page, "messages") if message.get("ts") == ts), None)
        if message is None:
            return ("the message was deleted there",)
        return () if _key(message) == request.key else ("the marker is missing: it cannot be found again",)

    def values(self, deadline: float) -> LiveValues:
        """The ids of the channels that the app is in; more than 5,000 are not listed."""
        query = {"types": "public_channel,private_channel", "exclude_archived": "true", "limit": str(PAGE)}
        pages = self._pages("users.conversations", query, deadline)
        return LiveValues(targets=frozenset(usable_id(item.get("id")) for item in _walk(pages, "channels")))

    def marked(self, since: datetime, deadline: float) -> Iterator[Marked]:
        """The marked messages of the set channels (else of all that the app is in), with the threads below them."""
        if self.spec.tool_class is not ToolClass.FINDABLE:
            return
        for channel in self._settings.targets or sorted(self.values(deadline).targets or ()):
            for message in self._with_replies(channel, since, deadline):
                sent = self._hit(channel, message)
                yield Marked(_key(message), sent.remote_id, sent.remote_url)

    def preflight(self, deadline: float) -> Iterable[Finding]:
        """The token, its scopes, and whether each set channel can be read."""
        yield checked("credentials", partial(self._identity, deadline), "set the app's bot token (xoxb-…)")
        if self.spec.tool_class is not ToolClass.FINDABLE:
            found = "`findable` is false: a run whose answer was lost waits for a person"
            yield Finding("marker", True, found)
            return
        for channel in self._settings.targets:
            check = partial(absent, self.find, channel, deadline)
            mend = "give the app channels:history (groups:history if private), invite it; or set findable = false"
            yield checked(f"channel {channel}", check, mend)

    def _identity(self, deadline: float) -> str:
        answer = self.ask(f"{self._settings.url}/auth.test", deadline)
        fields = _accepted("auth.test", looked(answer))
        scopes = answer.headers.get("x-oauth-scopes", "chat:write").replace(" ", "").split(",")
        if "chat:write" not in scopes:
            raise NotSent("the scope chat:write is missing")
        return f"{quoted(fields.get('user'))} of {quoted(fields.get('team'))}"

    def _with_replies(self, channel: str, since: datetime, deadline: float) -> Iterator[Json]:
        """Marked messages; below each the marked replies, but not the message itself again."""
        for message in self._messages(channel, "", since, deadline):
            if not _key(message):
                continue
            yield message
            if message.get("reply_count"):
                replies = self._messages(channel, str(message["ts"]), since, deadline)
                yield from (reply for reply in replies if _key(reply) and reply["ts"] != message["ts"])

    def _messages(self, channel: str, thread: str, since: datetime, deadline: float) -> Iterator[Json]:
        """The messages of a channel (newest first) or a thread; raises `NotSent` rather than leave one out."""
        query = {
            "channel": channel,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": "true",
            "limit": str(PAGE),
            **({"ts": thread} if thread else {}),
        }
        return _walk(self._pages(_history(thread), query, deadline), "messages")

    def _pages(self, method: str, query: Mapping[str, str], deadline: float) -> Iterator[Json]:
        cursor: dict[str, str] = {}
        for _ in range(PAGES):
            page = self._ask(method, {**query, **cursor}, deadline)
            yield page
            cursor = _next(page)
            if not cursor:
                return
        raise NotSent(f"{self.spec.name}: {method} has more than {PAGES} pages")

    def _ask(self, method: str, query: Mapping[str, str], deadline: float) -> Json:
        """A look-up's JSON; raises `NotSent`."""
        return _accepted(method, looked(self.ask(f"{self._settings.url}/{method}?{urlencode(query)}", deadline)))

    def _posted(self, fields: Json) -> Sent:
        """Read the answer to a post; raises `OutcomeUnknown` if it does not say which message it made."""
        sent = self._sent(usable_id(fields.get("channel")), fields)
        warned = "message_truncated" in str(fields.get("response_metadata", "")) + str(fields.get("warning", ""))
        return Sent(sent.remote_id, sent.remote_url, ("the text was cut there",)) if warned else sent

    def _hit(self, channel: str, message: Json) -> Sent:
        """A message that a look-up found."""
        try:
            return self._sent(channel, message)
        except OutcomeUnknown as error:
            raise NotSent(f"{self.spec.name}: the look-up failed: {error}") from error

    def _sent(self, channel: str, message: Json) -> Sent:
        ts = message.get("ts")
        if not isinstance(ts, str) or not TS.fullmatch(ts) or not CHANNEL.fullmatch(channel):
            raise OutcomeUnknown("the answer does not say which message was made")
        archive = f"{self._settings.workspace.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}"
        return Sent(f"{channel}:{ts}", archive if self._settings.workspace else "")


def _thread(request: Request) -> str:
    """The `ts` of the run's first message; empty if there is none, or it is in another channel."""
    channel, _, ts = text_of(request.content, "thread").partition(":")
    return ts if channel == request.target and TS.fullmatch(ts) else ""


def _history(thread: str) -> str:
    return "conversations.replies" if thread else "conversations.history"


def _failure(name: str, fields: Json, wait: timedelta | None = None) -> NotSent | OutcomeUnknown | Refused:
    """What an answer without `"ok": true` means."""
    error = fields.get("error")
    if fields.get("ok") is not False or not isinstance(error, str):
        return OutcomeUnknown(f"{name}: the answer says neither yes nor no")
    words = f"{name}: {quoted(error)}"
    if error in UNSURE:
        return OutcomeUnknown(words)
    if error in CREDENTIALS:
        return NotSent(f"{words}: our credentials are not accepted")
    return NotSent(words, wait) if error in LIMITS else Refused(words)


def _accepted(method: str, fields: Json) -> Json:
    if fields.get("ok") is not True:
        raise NotSent(f"{method}: {_failure('the look-up failed', fields)}")
    return fields


def _next(page: Json) -> dict[str, str]:
    """What asks for the next page; empty after the last one. Raises `NotSent` if it cannot be asked for."""
    metadata = page.get("response_metadata")
    cursor = metadata.get("next_cursor") if isinstance(metadata, dict) else None
    if isinstance(cursor, str) and cursor:
        return {"cursor": cursor}
    if page.get("has_more"):
        raise NotSent("there are more messages, and no cursor to them")
    return {}


def _walk(pages: Iterable[Json], name: str) -> Iterator[Json]:
    for page in pages:
        yield from _items(page, name)


def _items(page: Json, name: str) -> list[Json]:
    """A page's objects; raises `NotSent` if it has none, not even an empty list."""
    items: Any = page.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NotSent(f"the look-up failed: the answer has no list of {name}")
    return items


def _key(message: Json) -> str:
    """The key in a message's metadata; empty if it has none of ours."""
    metadata: Any = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    return key_in(payload.get("key")) if isinstance(payload, dict) and metadata.get("event_type") == EVENT else ""
