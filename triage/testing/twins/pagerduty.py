"""A stand-in for PagerDuty's Events API v2: alerts by `dedup_key` while they are open, and nothing to read."""

import json
from dataclasses import dataclass
from http import HTTPStatus

from triage.model import Json
from triage.testing.twins.base import Asked, Reply, Twin

LONGEST_SUMMARY = 1_024
LONGEST_KEY = 255
LARGEST = 512 * 1024
SEVERITIES = {"critical", "error", "warning", "info"}


@dataclass(slots=True)
class Alert:
    """What was really opened, and how often it was triggered."""

    id: str
    key: str
    event: Json
    triggers: int = 1
    open: bool = True


class PagerDuty(Twin):
    """Takes events for one integration."""

    def __init__(self, routing_key: str) -> None:
        """`routing_key` is the integration's key, of 32 characters."""
        super().__init__()
        self.routing_key = routing_key
        self.alerts: list[Alert] = []
        self.route("POST", "/v2/enqueue", self._enqueue)

    def objects(self, key: str) -> list[str]:
        """The ids of the alerts, open or resolved."""
        return [alert.id for alert in self.alerts if alert.key in {f"triage-{key[:32]}", key}]

    def delete(self, remote_id: str) -> None:
        """Resolve the alert with this id or `dedup_key`: nothing is ever deleted."""
        with self.lock:
            for alert in self.alerts:
                alert.open &= remote_id not in {alert.id, alert.key}

    def _enqueue(self, asked: Asked) -> Reply:
        event = asked.fields()
        if problems := self._problems(event, len(asked.body)):
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": problems}
            return Reply(HTTPStatus.BAD_REQUEST, answer)
        key = event.get("dedup_key") or f"made-up-{len(self.alerts)}"
        same = next((alert for alert in self.alerts if alert.open and alert.key == key), None)
        if same is None:
            self.alerts.append(Alert(f"Q{len(self.alerts)}", key, event))
        else:
            same.triggers += 1
        return Reply(HTTPStatus.ACCEPTED, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _problems(self, event: Json, size: int) -> list[str]:
        payload = event.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        rules = {
            "Invalid routing key": event.get("routing_key") == self.routing_key,
            "'event_action' is invalid": event.get("event_action") == "trigger",
            "'dedup_key' is too long": len(str(event.get("dedup_key", ""))) <= LONGEST_KEY,
            "'payload.summary' is missing or blank": bool(payload.get("summary")),
            "'payload.summary' is too long": len(str(payload.get("summary", ""))) <= LONGEST_SUMMARY,
            "'payload.source' is missing or blank": bool(payload.get("source")),
            "'payload.severity' is invalid": payload.get("severity") in SEVERITIES,
            "'links' is invalid": all(isinstance(link.get("href"), str) for link in event.get("links", [])),
            "the event is too large": size <= LARGEST and bool(json.dumps(event)),
        }
        return [problem for problem, kept in rules.items() if not kept]
