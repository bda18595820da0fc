"""HTTP/1.1 on blocking sockets: one connection of a client, and one request to the target."""

import http.client
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import h11

CHUNK = 64 * 1024
FORWARD_TIMEOUT = 60.0
"""Seconds that the target may take for each read."""
DRIBBLES = 20
"""In how many pieces a slow answer is sent."""
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
WITHOUT_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
RST_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: `path` with its query as it came, header names in lower case; of repeated headers the last counts."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; where one is scripted, `commit` forwards the request before and throws the target's answer away."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    commit: bool = False

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> Self:
        """From what `as_json` made."""
        body = str(fields["body"]).encode("latin-1")
        return cls(int(fields["status"]), body, dict(fields["headers"]), commit=bool(fields["commit"]))

    def as_json(self) -> dict[str, Any]:
        """What `parse` reads; the body's bytes are characters of Latin-1."""
        body = self.body.decode("latin-1")
        return {"status": self.status, "body": body, "headers": dict(self.headers), "commit": self.commit}


class Caller:
    """One connection of a client. Methods raise OSError or `h11.ProtocolError` if the client left or spoke no HTTP."""

    def __init__(self, link: socket.socket) -> None:
        """Speak on `link`, which stays the caller's to close."""
        self._link = link
        self._wire = h11.Connection(h11.SERVER)
        self._method = ""

    def read(self) -> Asked | None:
        """The next whole request; None if there is none."""
        if self._wire.our_state is h11.DONE:
            self._wire.start_next_cycle()
        head = self._event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(event := self._event(), h11.Data):
            body += event.data
        self._method = head.method.decode()
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        return Asked(self._method, head.target.decode(), headers, bytes(body))

    def answer(self, answer: Answer, seconds: float = 0.0) -> None:
        """Send an answer, piece by piece if it is to take `seconds`."""
        data = self._encoded(answer)
        size = max(1, len(data) // DRIBBLES) if seconds else len(data)
        for start in range(0, len(data), size):
            self._link.sendall(data[start : start + size])
            time.sleep(seconds * size / len(data))

    def hang(self) -> None:
        """Say nothing until the client leaves."""
        while self._link.recv(CHUNK):
            pass

    def hang_up(self) -> None:
        """Close the connection with an RST."""
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self._link.close()

    def _event(self) -> object:
        while (event := self._wire.next_event()) is h11.NEED_DATA:
            if self._wire.they_are_waiting_for_100_continue:
                self._link.sendall(self._wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self._wire.receive_data(self._link.recv(CHUNK))
        return event

    def _encoded(self, answer: Answer) -> bytes:
        headers = dict(answer.headers)
        if self._method != "HEAD" and answer.status not in WITHOUT_BODY:
            headers["content-length"] = str(len(answer.body))
        events = (
            h11.Response(status_code=answer.status, headers=list(headers.items())),
            h11.Data(data=answer.body),
            h11.EndOfMessage(),
        )
        return b"".join(self._wire.send(event) or b"" for event in events)


def forward(target_url: str, asked: Asked) -> Answer:
    """What the target answers, on a connection of its own; OSError or `http.client.HTTPException` if it does not."""
    target = urlsplit(target_url)
    connection = http.client.HTTPConnection(target.netloc, timeout=FORWARD_TIMEOUT)
    headers = {**_end_to_end(asked.headers.items()), "host": target.netloc, "connection": "close"}
    if asked.body or "content-length" in asked.headers:
        headers["content-length"] = str(len(asked.body))
    try:
        connection.putrequest(asked.method, target.path.rstrip("/") + asked.path, True, True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(asked.body or None)
        response = connection.getresponse()
        return Answer(response.status, response.read(), _end_to_end(response.getheaders()))
    finally:
        connection.close()


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    pairs = ((name.lower(), value) for name, value in headers)
    return {name: value for name, value in pairs if name not in HOP_BY_HOP}
