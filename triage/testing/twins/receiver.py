"""A receiver of webhooks: checks the signature of the Standard Webhooks specification, and keeps what came.

Written from the specification, not with a library of it, so that it can contradict the adapter.
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from http import HTTPStatus

from triage.testing.twins.base import Asked, Reply, Twin

TOLERANCE = 300.0
"""Seconds that a timestamp may be off."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in; `id` is empty where nothing is signed."""

    id: str
    body: str


class Receiver(Twin):
    """Takes deliveries at `/hook`, at `/gone` not any more. With a secret (`whsec_…`) it takes only signed ones.

    `filters` lets it drop a delivery whose id it has seen, as the specification advises.
    """

    def __init__(self, secret: str = "") -> None:
        """Nothing has come yet."""
        super().__init__()
        self.secret = secret
        self.filters = False
        self.deliveries: list[Delivery] = []
        self.route("POST", "/hook", self._take)
        self.route("POST", "/gone", lambda _: Reply(HTTPStatus.GONE))

    def objects(self, key: str) -> list[str]:
        """The numbers of the deliveries; those that were filtered are none."""
        marks = key, f"triage-run-{key[:16]}"
        numbered = enumerate(self.deliveries)
        return [str(number) for number, one in numbered if any(mark in one.body for mark in marks)]

    def _take(self, asked: Asked) -> Reply:
        if self.secret and not self._signed(asked):
            return Reply(HTTPStatus.UNAUTHORIZED, {"message": "the signature is not right"})
        delivery = Delivery(asked.headers.get("webhook-id", ""), asked.body.decode())
        if not (self.filters and delivery.id in {one.id for one in self.deliveries}):
            self.deliveries.append(delivery)
        return Reply(HTTPStatus.OK, {"taken": True})

    def _signed(self, asked: Asked) -> bool:
        given = asked.headers
        stamp = given.get("webhook-timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
            return False
        content = f"{given.get('webhook-id', '')}.{stamp}.".encode() + asked.body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        signatures = given.get("webhook-signature", "").split(" ")
        return any(hmac.compare_digest(one, f"v1,{right}") for one in signatures)
