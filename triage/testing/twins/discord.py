"""A stand-in for Discord's REST API: channels, nonces with a window, a history that may look empty."""

import time
from dataclasses import dataclass, field
from http import HTTPStatus

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

LONGEST_TEXT = 2_000
LONGEST_NONCE = 25
DEFAULT_PAGE, LARGEST_PAGE = 50, 100
EPOCH = 1_420_070_400_000
"""Milliseconds since 1970 from which ids count."""


@dataclass(slots=True)
class Message:
    """What was really posted; `embeds` are those that were asked for, whatever was kept of them."""

    id: str
    channel: str
    fields: Json
    embeds: str
    nonce: str = ""
    made: float = field(default_factory=time.monotonic)
    deleted: bool = False


class Discord(Twin):
    """A nonce is kept for `nonce_window` seconds; `drop_marker` lets embeds get lost without a word.

    `may_read` is the right Read Message History: without it the history is an empty list.
    """

    def __init__(self, token: str) -> None:
        """With the text channels 111 and 222 and the voice channel 333 of the server 1."""
        super().__init__()
        self.token = token
        self.channels = {"111": 0, "222": 0, "333": 2}
        self.messages: list[Message] = []
        self.nonce_window = 120.0
        self.drop_marker = False
        self.may_read = True
        channel = "/channels/(?P<channel>[^/]+)"
        self.route("POST", f"{channel}/messages", self._post)
        self.route("GET", f"{channel}/messages", self._history)
        self.route("GET", f"{channel}/messages/(?P<id>[^/]+)", self._one)
        self.route("GET", channel, self._channel)
        self.route("GET", "/users/@me", lambda _: Reply(HTTPStatus.OK, {"id": "9", "username": "triage"}))
        self.route("GET", "/users/@me/guilds", lambda _: Reply(HTTPStatus.OK, [{"id": "1", "name": "Acme"}]))
        self.route("GET", "/guilds/1/channels", self._channels)

    def objects(self, key: str) -> list[str]:
        """The ids of messages."""
        return [message.id for message in self.messages if key in message.embeds]

    def delete(self, remote_id: str) -> None:
        """As a person does."""
        with self.lock:
            for message in self.messages:
                message.deleted |= message.id == remote_id

    def answer(self, asked: Asked) -> Reply:
        """Only with the bot's token."""
        if asked.headers.get("authorization") != f"Bot {self.token}":
            return Reply(HTTPStatus.UNAUTHORIZED, {"message": "401: Unauthorized", "code": 0})
        return super().answer(asked)

    def _post(self, asked: Asked) -> Reply:
        channel, wish = asked.parts["channel"], asked.fields()
        if channel not in self.channels:
            return _missing("Channel", 10003)
        nonce = str(wish.get("nonce", ""))
        if len(str(wish.get("content", ""))) > LONGEST_TEXT or len(nonce) > LONGEST_NONCE:
            errors = {"content": {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH"}]}}
            return Reply(HTTPStatus.BAD_REQUEST, {"code": 50035, "message": "Invalid Form Body", "errors": errors})
        if (first := self._repeated(nonce)) and wish.get("enforce_nonce") is True:
            return Reply(HTTPStatus.OK, first.fields)
        return Reply(HTTPStatus.OK, self._made(channel, wish).fields)

    def _made(self, channel: str, wish: Json) -> Message:
        number = (int(time.time() * 1_000) - EPOCH << 22) + len(self.messages)
        embeds = [] if self.drop_marker else wish.get("embeds", [])
        fields = {"id": str(number), "channel_id": channel, "content": wish.get("content", ""), "embeds": embeds}
        message = Message(str(number), channel, fields, str(wish.get("embeds")), str(wish.get("nonce", "")))
        self.messages.append(message)
        return message

    def _repeated(self, nonce: str) -> Message | None:
        since = time.monotonic() - self.nonce_window
        same = (one for one in self.messages if nonce and one.nonce == nonce and one.made > since)
        return next(same, None)

    def _history(self, asked: Asked) -> Reply:
        channel = asked.parts["channel"]
        if channel not in self.channels:
            return _missing("Channel", 10003)
        before = int(asked.query.get("before", 1 << 63))
        shown = [one for one in self._there(channel) if int(one.id) < before and self.indexed(one.made)]
        limit = min(LARGEST_PAGE, int(asked.query.get("limit", DEFAULT_PAGE)))
        newest = sorted(shown, key=lambda one: int(one.id), reverse=True)[:limit]
        return Reply(HTTPStatus.OK, [one.fields for one in newest] if self.may_read else [])

    def _one(self, asked: Asked) -> Reply:
        shown = (one for one in self._there(asked.parts["channel"]) if one.id == asked.parts["id"] and self.may_read)
        found = next(shown, None)
        return Reply(HTTPStatus.OK, found.fields) if found else _missing("Message", 10008)

    def _there(self, channel: str) -> list[Message]:
        return [one for one in self.messages if one.channel == channel and not one.deleted]

    def _channel(self, asked: Asked) -> Reply:
        channel = asked.parts["channel"]
        if channel not in self.channels:
            return _missing("Channel", 10003)
        ids = [
            one.id for one in self.messages if one.channel == channel and self.indexed(one.made)
        ]  # the last one may be deleted since
        last = max(ids, key=int, default=None)
        return Reply(HTTPStatus.OK, {"id": channel, "type": self.channels[channel], "last_message_id": last})

    def _channels(self, _: Asked) -> Reply:
        return Reply(HTTPStatus.OK, [{"id": channel, "type": kind} for channel, kind in self.channels.items()])


def _missing(what: str, code: int) -> Reply:
    return Reply(HTTPStatus.NOT_FOUND, {"message": f"Unknown {what}", "code": code})
