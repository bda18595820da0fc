"""Telling others what became of runs: by rounds, from Postgres, at least once, signed as Standard Webhooks.

What can be killed between which moments, and what the next round finds, is told in `store.outbox`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import structlog
from standardwebhooks import Webhook as Signer

from triage import clock, config, errors, telemetry
from triage.store.outbox import Call, Outbox
from triage.text.secrets import mask
from triage.tools.adapter import JSON_BODY
from triage.tools.notifiers.standard_webhook import signed, signer
from triage.tools.transport import Transport, failure, retry_after

WAITS = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 86_400))
"""After each attempt that failed; the one after the last gives up, two days after the first."""
TIMEOUT = timedelta(seconds=5)
"""Of one call."""
PATIENCE = timedelta(seconds=10)
"""For one webhook in one round: whoever is slow must not keep the other rounds from being made."""
MOST = 500
"""Calls for one webhook in one round."""

log = structlog.get_logger()


class Webhooks:
    """All webhooks that are set; for one thread."""

    def __init__(self, given: Sequence[config.Webhook], outbox: Outbox, transport: Transport) -> None:
        """Opens nothing."""
        self._outbox = outbox
        self._given = given
        self._told = [_Told(one, outbox, transport) for one in given]
        self._enlisted = False

    def round(self) -> int:
        """Find what is new and tell what is due; how much was told. Raises StoreUnavailable."""
        if not self._enlisted:
            for one in self._given:
                self._outbox.enlist(one.name)
            self._enlisted = True
        return sum(told.round() for told in self._told)

    def forget(self) -> None:
        """Drop what is kept for webhooks that are not set any more, and what was told long ago."""
        self._outbox.forget([one.name for one in self._given])


class _Told:
    """One webhook."""

    def __init__(self, given: config.Webhook, outbox: Outbox, transport: Transport) -> None:
        self._given = given
        self._outbox = outbox
        self._transport = transport
        self._signer: Signer = signer(f"webhook {given.name}", given.secret.get_secret_value())

    def round(self) -> int:
        """The first one that fails ends it: where one call failed the next would wait for nothing."""
        name, until, number = self._given.name, clock.now() + PATIENCE.total_seconds(), 0
        self._outbox.find(name, self._given.events)
        for call in self._outbox.due(name, MOST):
            if clock.now() >= until or not self._tell(call):
                break
            number += 1
        return number

    def _tell(self, call: Call) -> bool:
        """Whether it was told."""
        try:
            self._post(call)
        except errors.ToolError as error:
            self._failed(call, error)
            return False
        self._outbox.settle(call, "told")
        return True

    def _post(self, call: Call) -> None:
        body = message(call)
        headers = [*JSON_BODY, *signed(self._signer, call.id, body)]
        deadline = clock.now() + TIMEOUT.total_seconds()
        answer = self._transport.exchange("POST", self._given.url, body, headers, deadline)
        if answer.status == HTTPStatus.GONE:
            raise _Gone("the receiver wants nothing any more (410)")
        if not answer.good:
            raise errors.NotSent(str(failure(answer)), retry_after(answer.headers))

    def _failed(self, call: Call, error: errors.ToolError) -> None:
        wait = None if isinstance(error, _Gone) or call.attempts >= len(WAITS) else WAITS[call.attempts]
        why = str(error)[:500]
        log.warning(telemetry.WEBHOOK_FAILED, webhook=call.webhook, id=call.id, why=why, again=wait is not None)
        if wait is None:
            self._outbox.settle(call, "given_up", error=why)
        else:
            asked = getattr(error, "retry_after", None) or timedelta()
            self._outbox.settle(call, "waiting", error=why, wait=max(wait, asked))


class _Gone(errors.ToolError):
    """There is nobody any more."""


def message(call: Call) -> bytes:
    """The body: its type, when it happened, and the run; the same whenever it is told. Reasons lose what is secret."""
    data = {**call.content, "reason": mask(call.content.get("reason") or "")}
    told = {"type": f"run.{call.what}", "timestamp": _stamp(call.at), "data": data}
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
