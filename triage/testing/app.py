"""The tool server's endpoints, and what each fault does to a call."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any, TypeAlias

from triage.model import ToolClass
from triage.testing.faults import ANY, Fault, FaultKind, Faults, Schedule
from triage.testing.ledger import Ledger
from triage.testing.settings import Settings
from triage.testing.wire import Arrival, Link

HUGE = 24 * 1024 * 1024
Reply: TypeAlias = tuple[HTTPStatus, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way: `work` commits it (or looks up) and returns the honest answer."""

    link: Link
    work: Callable[[], Reply]
    fault: Fault

    def later(self) -> None:
        """Do the work after the fault's seconds; nobody gets the answer."""
        asyncio.get_running_loop().call_later(self.fault.seconds, self.work)

    def fail(self, status: HTTPStatus, *headers: str) -> None:
        """Answer with an error."""
        self.link.answer(status, dump({"error": status.phrase}), *headers)


def dump(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def _honest(call: Call) -> None:
    call.link.answer(*call.work())


def _commit_then_drop(call: Call) -> None:
    call.work()
    call.link.drop()


def _late_commit(call: Call) -> None:
    call.link.drop()
    call.later()


def _too_many(call: Call) -> None:
    call.fail(HTTPStatus.TOO_MANY_REQUESTS, f"retry-after: {call.fault.seconds:g}")


def _error_after(call: Call) -> None:
    call.work()
    call.fail(HTTPStatus.INTERNAL_SERVER_ERROR)


def _garbage(call: Call) -> None:
    call.work()
    call.link.answer(HTTPStatus.OK, b"<html>It works!</html>")


def _slow(call: Call) -> None:
    call.link.dribble(*call.work(), call.fault.seconds)


def _huge(call: Call) -> None:
    call.work()
    call.link.answer(HTTPStatus.OK, dump({"id": "huge-1", "noise": "x" * HUGE}))


BEHAVIOUR: dict[FaultKind, Callable[[Call], object]] = {
    FaultKind.NONE: _honest,
    FaultKind.COMMIT_THEN_DROP: _commit_then_drop,
    FaultKind.LATE_COMMIT: _late_commit,
    FaultKind.HANG_LATE_COMMIT: Call.later,
    FaultKind.TOO_MANY: _too_many,
    FaultKind.ERROR_BEFORE: lambda call: call.fail(HTTPStatus.INTERNAL_SERVER_ERROR),
    FaultKind.ERROR_AFTER: _error_after,
    FaultKind.GARBAGE: _garbage,
    FaultKind.HANG: lambda _: None,
    FaultKind.HANG_AFTER_COMMIT: lambda call: call.work(),
    FaultKind.RESET_BEFORE: lambda call: call.link.reset(),
    FaultKind.SLOW: _slow,
    FaultKind.REFUSE: lambda call: call.fail(HTTPStatus.UNPROCESSABLE_ENTITY),
    FaultKind.HUGE: _huge,
}


class ToolApp:
    """`POST /<class>/<name>` makes an object; `GET /findable/<name>?marker=` lists those whose key is the marker."""

    def __init__(self, settings: Settings) -> None:
        """Start with nothing committed and no faults."""
        self._initial = settings
        self.settings = settings
        self.ledger = Ledger()
        self.faults = Faults()

    @property
    def read_timeout(self) -> float:
        """See `Settings`."""
        return self.settings.read_timeout

    def begin(self, arrival: Arrival, link: Link) -> bool:
        """Count the attempt, and reset the connection before the body is read if that is scripted next."""
        if arrival.path.startswith("_"):
            return True
        self.ledger.books[arrival.path].attempts += arrival.method == "POST"
        if not self.faults.next_is(FaultKind.RESET_BEFORE, arrival.method, arrival.path):
            return True
        self.faults.take(arrival.method, arrival.path, "")
        link.reset()
        return False

    def handle(self, arrival: Arrival, link: Link) -> None:
        """Answer, after the delay."""
        if arrival.path.startswith("_"):
            return link.answer(*self._control(arrival))
        if self.settings.delay:
            asyncio.get_running_loop().call_later(self.settings.delay, self._act, arrival, link)
            return None
        return self._act(arrival, link)

    def _act(self, arrival: Arrival, link: Link) -> None:
        kind, _, name = arrival.path.partition("/")
        if kind not in set(ToolClass) or not name:
            return link.answer(HTTPStatus.NOT_FOUND, dump({"error": "no such endpoint"}))
        if arrival.method == "POST":
            return self._posted(arrival, link)
        if arrival.method == "GET" and kind == ToolClass.FINDABLE:
            return self._asked(arrival, link)
        return link.answer(HTTPStatus.METHOD_NOT_ALLOWED, dump({"error": "not here"}))

    def _posted(self, arrival: Arrival, link: Link) -> None:
        try:
            body = dict(json.loads(arrival.body))
        except (ValueError, TypeError):
            return link.answer(HTTPStatus.BAD_REQUEST, dump({"error": "the body is no JSON object"}))
        sent_key = arrival.headers.get("idempotency-key")
        fault = self.faults.take("POST", arrival.path, sent_key or str(body.get("key", "")))
        # Bound to today's ledger: what commits late, after a reset, is not mixed into the next test's.
        work = partial(self._commit, self.ledger, arrival.path, body, sent_key)
        BEHAVIOUR[fault.kind](Call(link, work, fault))
        return None

    def _asked(self, arrival: Arrival, link: Link) -> None:
        marker = arrival.query.get("marker", [""])[0]
        fault = self.faults.take("GET", arrival.path, marker)
        BEHAVIOUR[fault.kind](Call(link, partial(self._find, arrival.path, marker), fault))

    def _commit(self, ledger: Ledger, endpoint: str, body: dict[str, Any], sent_key: str | None) -> Reply:
        status, commit = ledger.post(endpoint, body, sent_key, self.settings)
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            return status, dump({"error": "this key was used with another body"})
        return status, dump({"id": commit.id, "url": f"http://tool.test/{endpoint}/{commit.id}"})

    def _find(self, endpoint: str, marker: str) -> Reply:
        hits = self.ledger.find(endpoint, marker, self.settings)
        url = f"http://tool.test/{endpoint}"
        return HTTPStatus.OK, dump([{**hit.body, "id": hit.id, "url": f"{url}/{hit.id}"} for hit in hits])

    def _control(self, arrival: Arrival) -> Reply:
        try:
            return HTTPStatus.OK, dump(self._controlled(arrival))
        except (ValueError, TypeError, KeyError) as error:
            return HTTPStatus.BAD_REQUEST, dump({"error": repr(error)})

    def _controlled(self, arrival: Arrival) -> object:
        match arrival.method, arrival.path:
            case "GET", "_ledger":
                return self.ledger.summary()
            case "GET", "_commits":
                return self.ledger.listing(arrival.query["endpoint"][0])
            case "POST", "_faults":
                return self._instruct(json.loads(arrival.body))
            case "POST", "_reset":
                self.settings, self.ledger, self.faults = self._initial, Ledger(), Faults()
                return {}
        raise ValueError("no such control")

    def _instruct(self, wish: dict[str, Any]) -> object:
        """Parse all of it before any of it holds."""
        script = [
            (entry.get("method", "POST"), entry.get("endpoint", ANY), Fault.parse(entry))
            for entry in wish.pop("script", [])
        ]
        schedule = wish.pop("schedule", self.faults.schedule)
        schedule = Schedule.parse(schedule) if isinstance(schedule, dict) else schedule
        self.settings = replace(self.settings, **wish)
        self.faults.schedule = schedule
        for method, endpoint, fault in script:
            self.faults.script(method, endpoint, [fault])
        return {}
