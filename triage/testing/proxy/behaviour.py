"""What each fault does to a request that goes through the proxy."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from triage.testing.app import HUGE
from triage.testing.faults import FaultKind
from triage.testing.proxy.caller import Answer, Caller


@dataclass(frozen=True, slots=True)
class Call:
    """A request under way: `commit` forwards it, `later` does so after some seconds on a thread of its own."""

    caller: Caller
    commit: Callable[[], Answer]
    later: Callable[[float], None]
    seconds: float

    def fail(self, status: HTTPStatus, **headers: str) -> None:
        """Answer with an error."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.caller.answer(as_json({"error": status.phrase}, status, named))


def as_json(value: object, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Answer:
    """An answer of JSON."""
    return Answer(status, json.dumps(value).encode(), {"content-type": "application/json", **(headers or {})})


def fixed(call: Call, answer: Answer) -> None:
    """Give this answer, whatever the target says."""
    if answer.commit:
        call.commit()
    call.caller.answer(answer)


def _commit_then_drop(call: Call) -> None:
    call.commit()
    call.caller.hang_up()


def _late_commit(call: Call) -> None:
    call.later(call.seconds)
    call.caller.hang_up()


def _hang_late_commit(call: Call) -> None:
    call.later(call.seconds)
    call.caller.hang()


def _error_after(call: Call) -> None:
    call.commit()
    call.fail(HTTPStatus.INTERNAL_SERVER_ERROR)


def _hang_after_commit(call: Call) -> None:
    call.commit()
    call.caller.hang()


def _garbage(call: Call) -> None:
    fixed(call, Answer(body=b"<html>It works!</html>", headers={"content-type": "application/json"}, commit=True))


def _huge(call: Call) -> None:
    call.commit()
    call.caller.answer(as_json({"id": "huge-1", "noise": "x" * HUGE}))


BEHAVIOUR: dict[FaultKind, Callable[[Call], object]] = {
    FaultKind.NONE: lambda call: call.caller.answer(call.commit()),
    FaultKind.COMMIT_THEN_DROP: _commit_then_drop,
    FaultKind.LATE_COMMIT: _late_commit,
    FaultKind.HANG_LATE_COMMIT: _hang_late_commit,
    FaultKind.TOO_MANY: lambda call: call.fail(HTTPStatus.TOO_MANY_REQUESTS, retry_after=f"{call.seconds:g}"),
    FaultKind.ERROR_BEFORE: lambda call: call.fail(HTTPStatus.INTERNAL_SERVER_ERROR),
    FaultKind.ERROR_AFTER: _error_after,
    FaultKind.GARBAGE: _garbage,
    FaultKind.HANG: lambda call: call.caller.hang(),
    FaultKind.HANG_AFTER_COMMIT: _hang_after_commit,
    FaultKind.RESET_BEFORE: lambda call: call.caller.hang_up(),
    FaultKind.SLOW: lambda call: call.caller.answer(call.commit(), call.seconds),
    FaultKind.REFUSE: lambda call: call.fail(HTTPStatus.UNPROCESSABLE_ENTITY),
    FaultKind.HUGE: _huge,
}
"""As for the tool server, but a scripted reset too waits for the body, which may say what the request is."""
