"""A span for each call, outermost of all guards, so that what they say is in it."""

import structlog
from opentelemetry.trace import SpanKind

from triage import telemetry, tracing
from triage.guards.base import Guard
from triage.model import Request, Sent
from triage.tracing.sketch import Attributes

log = structlog.get_logger()

KEY_SHOWN = 16
"""Digits of an effect's key that are enough to find it."""


class Traced(Guard):
    """Decides nothing. A refusal marks the span as failed, and its words stay out of it: they may quote a report."""

    def send(self, request: Request) -> Sent:
        """As the tool does."""
        with tracing.child(telemetry.SPAN_SEND, SpanKind.CLIENT, self._about(request)):
            sent = self._tool.send(request)
        log.debug(telemetry.CALL, tool=self.spec.name, target=request.target, request=request.content, answer=sent)
        return sent

    def find(self, request: Request) -> Sent | None:
        """As the tool does."""
        with tracing.child(telemetry.SPAN_FIND, SpanKind.CLIENT, self._about(request)):
            return self._tool.find(request)

    def _about(self, request: Request) -> Attributes:
        return {
            telemetry.TOOL: self.spec.name,
            telemetry.TOOL_CLASS: self.spec.tool_class.value,
            telemetry.EFFECT: request.key[:KEY_SHOWN],
        }
