"""A stand-in for Slack's Web API: channels, threads, metadata, a history in small pages that may lag."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

LONGEST_TEXT = 40_000
READING = {"channels:history", "channels:read"}


@dataclass(slots=True)
class Message:
    """What was really posted; `metadata` is what was asked for, whatever was kept of it."""

    channel: str
    fields: Json
    metadata: str
    made: float = field(default_factory=time.monotonic)
    deleted: bool = False

    @property
    def ts(self) -> str:
        """Its id within the channel."""
        return str(self.fields["ts"])

    @property
    def thread(self) -> str:
        """The `ts` of the message it answers; empty if it answers none."""
        return str(self.fields.get("thread_ts", ""))


class Slack(Twin):
    """`drop_marker` lets metadata get lost without a word; a page never has more than `most` messages."""

    def __init__(self, token: str) -> None:
        """With the channels C0BUGS and C0OPS, C0CLOSED that is archived, and C0ALIEN where the app is not."""
        super().__init__()
        self.token = token
        self.scopes = {"chat:write", *READING}
        self.channels = {"C0BUGS": "", "C0OPS": "", "C0CLOSED": "is_archived", "C0ALIEN": "not_in_channel"}
        self.messages: list[Message] = []
        self.drop_marker = False
        self.most = 20
        self.route("POST", "/chat.postMessage", self._post)
        self.route("GET", "/conversations.(?P<which>history|replies)", self._history)
        self.route("GET", "/users.conversations", self._joined)
        self.route("GET", "/auth.test", lambda _: _ok(user="triage", team="Acme", bot_id="B0TRIAGE"))

    def objects(self, key: str) -> list[str]:
        """As `CHANNEL:TS`."""
        return [f"{message.channel}:{message.ts}" for message in self.messages if key in message.metadata]

    def delete(self, remote_id: str) -> None:
        """As a person does."""
        with self.lock:
            for message in self.messages:
                message.deleted |= remote_id == f"{message.channel}:{message.ts}"

    def answer(self, asked: Asked) -> Reply:
        """Errors come with status 200."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error("invalid_auth" if "authorization" in asked.headers else "not_authed")
        reply = super().answer(asked)
        if reply.status == HTTPStatus.NOT_FOUND:
            return _error("unknown_method")
        return Reply(reply.status, reply.value, {"x-oauth-scopes": ",".join(sorted(self.scopes))})

    def _post(self, asked: Asked) -> Reply:
        wish = asked.fields()
        channel = str(wish.get("channel", ""))
        if problem := self._problem(channel, "chat:write") or ("" if wish.get("text") else "no_text"):
            return _error(problem)
        message = Message(channel, self._kept(wish), str(wish.get("metadata")))
        self.messages.append(message)
        warned = {"response_metadata": {"warnings": ["message_truncated"]}} if len(wish["text"]) > LONGEST_TEXT else {}
        return _ok(channel=channel, ts=message.ts, message=message.fields, **warned)

    def _kept(self, wish: Json) -> Json:
        names = ["thread_ts", *([] if self.drop_marker else ["metadata"])]
        kept = {name: wish[name] for name in names if name in wish}
        ts = f"{time.time():.0f}.{len(self.messages):06}"
        return {"type": "message", "text": wish["text"][:LONGEST_TEXT], "ts": ts, **kept}

    def _problem(self, channel: str, scope: str) -> str:
        if scope not in self.scopes:
            return "missing_scope"
        return self.channels.get(channel, "channel_not_found")

    def _history(self, asked: Asked) -> Reply:
        query, thread = asked.query, asked.query.get("ts", "")
        if problem := self._problem(query.get("channel", ""), "channels:history"):
            return _error(problem)
        there = [one for one in self.messages if one.channel == query["channel"] and not one.deleted]
        if asked.parts["which"] == "replies" and not any(one.ts == thread for one in there):
            return _error("thread_not_found")
        chosen = [one for one in there if (thread in {one.ts, one.thread} if thread else not one.thread)]
        shown = [one for one in chosen if self._visible(one, query)]
        return self._page(shown if thread else shown[::-1], query)

    def _visible(self, message: Message, query: Mapping[str, str]) -> bool:
        """A question for one message by its `ts` does not lag."""
        exact = query.get("oldest") == query.get("latest") == message.ts
        return (exact or self.indexed(message.made)) and _within(message.ts, query)

    def _page(self, shown: list[Message], query: Mapping[str, str]) -> Reply:
        start, most = int(query.get("cursor") or 0), min(self.most, int(query.get("limit", 100)))
        page, rest = shown[start : start + most], shown[start + most :]
        metadata = query.get("include_all_metadata") == "true"
        cursor = {"response_metadata": {"next_cursor": str(start + most)}} if rest else {}
        listed = [self._shown(one, metadata=metadata) for one in page]
        return _ok(messages=listed, has_more=bool(rest), **cursor)

    def _shown(self, message: Message, *, metadata: bool) -> Json:
        hidden = () if metadata else ("metadata",)
        fields = {name: value for name, value in message.fields.items() if name not in hidden}
        replies = sum(one.thread == message.ts for one in self.messages)
        return {**fields, "reply_count": replies} if replies else fields

    def _joined(self, asked: Asked) -> Reply:
        if "channels:read" not in self.scopes:
            return _error("missing_scope")
        hidden = {"not_in_channel", *(["is_archived"] if asked.query.get("exclude_archived") == "true" else [])}
        return _ok(channels=[{"id": channel} for channel, problem in self.channels.items() if problem not in hidden])


def _within(ts: str, query: Mapping[str, str]) -> bool:
    oldest, latest = float(query.get("oldest") or 0), float(query.get("latest") or "inf")
    if query.get("inclusive") == "true":
        return oldest <= float(ts) <= latest
    return oldest < float(ts) < latest


def _ok(**fields: object) -> Reply:
    return Reply(HTTPStatus.OK, {"ok": True, **fields})


def _error(word: str) -> Reply:
    return Reply(HTTPStatus.OK, {"ok": False, "error": word})
