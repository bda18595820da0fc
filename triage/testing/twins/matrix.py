"""A stand-in for a Matrix homeserver where Synapse cannot be installed: one account, rooms, transaction ids."""

import time
from dataclasses import dataclass, field
from http import HTTPStatus

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

LARGEST = 65_536
V3 = "/_matrix/client/v3"


@dataclass(slots=True)
class Event:
    """What was really sent, with which key; a redacted one loses its content."""

    id: str
    room: str
    content: Json
    key: str
    made: float = field(default_factory=time.time)


class Matrix(Twin):
    """Transaction ids are forgotten after `window` seconds."""

    def __init__(self, token: str) -> None:
        """With the joined room !bugs:triage.test, and !alien:triage.test that is not."""
        super().__init__()
        self.token = token
        self.window = 24 * 3600.0
        self.rooms = {"!bugs:triage.test"}
        self.events: list[Event] = []
        self._sent: dict[tuple[str, str], Event] = {}
        room = f"{V3}/rooms/(?P<room>[^/]+)"
        self.route("PUT", f"{room}/send/m.room.message/(?P<txn>[^/]+)", self._send)
        self.route("GET", f"{room}/event/(?P<id>[^/]+)", self._event)
        self.route("GET", f"{room}/messages", self._messages)
        self.route("GET", f"{V3}/joined_rooms", lambda _: Reply(HTTPStatus.OK, {"joined_rooms": sorted(self.rooms)}))
        self.route("GET", f"{V3}/account/whoami", lambda _: Reply(HTTPStatus.OK, {"user_id": "@triage:triage.test"}))

    def objects(self, key: str) -> list[str]:
        """The ids of events."""
        return [event.id for event in self.events if event.key == key]

    def delete(self, remote_id: str) -> None:
        """Redact, as a person does."""
        with self.lock:
            for event in self.events:
                event.content = {} if event.id == remote_id else event.content

    def answer(self, asked: Asked) -> Reply:
        """Only with the token."""
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return _error(HTTPStatus.UNAUTHORIZED, "M_UNKNOWN_TOKEN", "Invalid access token passed.")
        return super().answer(asked)

    def _send(self, asked: Asked) -> Reply:
        room, txn = asked.parts["room"], asked.parts["txn"]
        if room not in self.rooms:
            return _error(HTTPStatus.FORBIDDEN, "M_FORBIDDEN", f"User @triage:triage.test not in room {room}")
        if len(asked.body) > LARGEST:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "M_TOO_LARGE", "event too large")
        first = self._sent.get((room, txn))
        if first is None or time.time() - first.made > self.window:
            first = Event(f"${len(self.events):043}", room, asked.fields(), str(asked.fields().get("triage.run")))
            self.events.append(first)
            self._sent[room, txn] = first
        return Reply(HTTPStatus.OK, {"event_id": first.id})

    def _event(self, asked: Asked) -> Reply:
        found = next((one for one in self.events if one.id == asked.parts["id"]), None)
        return (
            Reply(HTTPStatus.OK, _shown(found)) if found else _error(HTTPStatus.NOT_FOUND, "M_NOT_FOUND", "Not found")
        )

    def _messages(self, asked: Asked) -> Reply:
        there = [one for one in self.events if one.room == asked.parts["room"]][::-1]
        start, limit = int(asked.query.get("from", 0)), int(asked.query.get("limit", 10))
        more = {"end": str(start + limit)} if there[start + limit :] else {}
        return Reply(HTTPStatus.OK, {"chunk": [_shown(one) for one in there[start : start + limit]], **more})


def _shown(event: Event) -> Json:
    made = int(event.made * 1_000)
    return {"event_id": event.id, "type": "m.room.message", "origin_server_ts": made, "content": event.content}


def _error(status: int, code: str, words: str) -> Reply:
    return Reply(status, {"errcode": code, "error": words})
