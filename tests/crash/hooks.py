"""Watch every point where this process can change the outside world, and die at one of them.

`CRASH_RECORD=FILE` writes a line for each point that is reached, `CRASH_AT=LABEL#N` kills this process with SIGKILL
when the label is reached for the Nth time. Nothing is listed by hand: SQL statements, broker commands and requests are
seen where SQLAlchemy, redis-py and the product's transport send them.
"""

import json
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError
from sqlalchemy import event

from tests.crash import labels
from triage.store.database import Database
from triage.tools.connection import Address, Connection
from triage.tools.smtp import Session

COMMIT_TIME = 0.15
"""Seconds that the other system gets to commit what it was sent, before this process dies."""


class Points:
    """Counts the points by label; used by all threads."""

    def __init__(self, at: str | None, record: str | None) -> None:
        """Die at the point `at` (`LABEL#N`), and write all points to the file `record`."""
        self._at = at
        self._file = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if record else -1
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def reach(self, label: str, outcome: object = None, *, pause: float = 0.0) -> None:
        """This process is at that point now; `pause` seconds pass before it dies there."""
        label = f"rounds.{label}" if threading.current_thread().name == "rounds" else label
        with self._lock:
            self._counts[label] += 1
            number = self._counts[label]
            self._write(label, number, outcome)
        if self._at == f"{label}#{number}":
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, label: str, number: int, outcome: object) -> None:
        if self._file >= 0:
            line = [time.monotonic(), threading.current_thread().name, label, number, outcome]
            os.write(self._file, json.dumps(line).encode() + b"\n")


def install(environment: Mapping[str, str] = os.environ) -> None:
    """Watch this process if the environment asks for it."""
    at, record = environment.get("CRASH_AT"), environment.get("CRASH_RECORD")
    if at or record:
        points = Points(at, record)
        watch_sql(points)
        watch_redis(points)
        watch_requests(points)
        watch_mail(points)


def watch_sql(points: Points) -> None:
    """Before a statement is sent, and after its commit is known."""
    once = Database._once

    def watched(self: Database, text: str, params: Mapping[str, Any]) -> Any:
        points.reach(f"{labels.of_sql(text)}.before")
        rows = once(self, text, params)
        points.reach(f"{labels.of_sql(text)}.after", len(rows))
        return rows

    def before(_c: object, _cursor: object, text: str, *_: object) -> None:
        points.reach(f"{labels.of_sql(text)}.before")

    def after(_c: object, cursor: Any, text: str, *_: object) -> None:
        points.reach(f"{labels.of_sql(text)}.after", cursor.rowcount)

    Database._once = watched  # type: ignore[method-assign]
    event.listen(sqlalchemy.Engine, "before_cursor_execute", before)
    event.listen(sqlalchemy.Engine, "after_cursor_execute", after)


def watch_redis(points: Points) -> None:
    """Before a command is sent, and after the last answer to what was sent with it."""
    send, read = AbstractConnection.send_packed_command, AbstractConnection.read_response
    leave = AbstractConnection.disconnect

    def sending(self: Any, command: Any, check_health: bool = True) -> Any:  # noqa: FBT002 - its signature
        if not self._sock:  # or else its own handshake would be taken for the answer to this
            self.connect_check_health(check_health=False)
        if check_health:
            self.check_health()
        label, number = labels.of_redis(command)
        if label is not None:
            points.reach(f"{label}.before")
        _awaited(self).append(_Exchange(label, number))
        return send(self, command, check_health=False)

    def reading(self: Any, *args: Any, **options: Any) -> Any:
        try:
            answer = read(self, *args, **options)
        except ResponseError:
            _answered(points, self, "error")
            raise
        _answered(points, self, answer)
        return answer

    def leaving(self: Any, *args: Any, **options: Any) -> None:
        _awaited(self).clear()
        leave(self, *args, **options)

    _replace(AbstractConnection, send_packed_command=sending, read_response=reading, disconnect=leaving)


class _Exchange:
    """Commands that were sent together, and what was answered so far; `label` is None for those of no interest."""

    def __init__(self, label: str | None, number: int) -> None:
        self.label = label
        self.left = number
        self.answers: list[object] = []


def _awaited(connection: Any) -> deque[_Exchange]:
    found: deque[_Exchange] = vars(connection).setdefault("_crash_awaited", deque())
    return found


def _answered(points: Points, connection: Any, answer: object) -> None:
    waiting = _awaited(connection)
    if not waiting:  # what a subscription was told
        return
    exchange = waiting[0]
    exchange.left -= 1
    exchange.answers.append(_shape(answer))
    if exchange.left <= 0:
        waiting.popleft()
        if exchange.label is not None:
            points.reach(f"{exchange.label}.after", exchange.answers)


def _shape(answer: object) -> object:
    """Enough of an answer to tell whether the next one is another."""
    if isinstance(answer, list):
        return [_shape(item) for item in answer]
    return answer if isinstance(answer, int | None) else type(answer).__name__


def watch_requests(points: Points) -> None:
    """Before connecting, before the first byte, after the last, after the other side's commit, and after the answer."""
    connect, send = Connection.open.__func__, Connection.send  # type: ignore[attr-defined]

    def connecting(cls: type[Connection], address: Address, *args: Any) -> Connection:
        points.reach(f"http.connect({labels.path(address.target)}).before")
        connection: Connection = connect(cls, address, *args)
        points.reach(f"http.connect({labels.path(address.target)}).after")
        return connection

    def sending(self: Connection, request: bytes, deadline: float) -> None:
        label = vars(self)["_crash_label"] = labels.of_request(request)
        points.reach(f"{label}.send.before")
        send(self, request, deadline)
        points.reach(f"{label}.send.after")
        points.reach(f"{label}.committed", pause=COMMIT_TIME)

    reading = {name: _reading(points, name) for name in ("response", "body")}
    _replace(Connection, open=classmethod(connecting), send=sending, **reading)


def watch_mail(points: Points) -> None:
    """Before and after connecting and each thing that is said, and after each answer."""
    connect, write, read = Session.open.__func__, Session._write, Session._read  # type: ignore[attr-defined]
    said = threading.local()

    def connecting(cls: type[Session], *args: Any) -> Session:
        said.label = "smtp.greeting"
        points.reach("smtp.connect.before")
        session: Session = connect(cls, *args)
        return session

    def writing(self: Session, data: bytes) -> None:
        said.label = labels.of_mail(data)
        points.reach(f"{said.label}.send.before")
        write(self, data)
        points.reach(f"{said.label}.send.after")
        if said.label == "smtp.dot":
            points.reach("smtp.dot.committed", pause=COMMIT_TIME)

    def reading(self: Session) -> Any:
        reply = read(self)
        points.reach(f"{said.label}.answer.after", reply.code)
        return reply

    _replace(Session, open=classmethod(connecting), _write=writing, _read=reading)


def _reading(points: Points, name: str) -> Callable[..., Any]:
    read = getattr(Connection, name)

    def reading(self: Connection, *args: Any) -> Any:
        label = f"{vars(self).get('_crash_label')}.{name}"
        try:
            found = read(self, *args)
        except BaseException:
            points.reach(f"{label}.failed")
            raise
        points.reach(f"{label}.after")
        return found

    return reading


def _replace(owner: type, **functions: Any) -> None:
    for name, function in functions.items():
        setattr(owner, name, function)
