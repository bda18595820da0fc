"""What is sent of all the spans that are made.

Every span is recorded, and when a process's part of a trace ends it is decided whether it is sent: always if something
in it failed, or was slow or dear, or if the caller's own trace is sampled; of the rest a share, in every process of the
same traces. What is buffered is bounded, and a collector that is away costs spans, never runs.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from triage import errors, telemetry

SHARE = 0.1
"""Of the traces in which nothing happened that somebody would look for."""
VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
SLOW = 30_000_000_000
"""Nanoseconds from which on a span is worth a look."""
DEAR = 0.05
"""US dollars, likewise."""
MOST_SPANS = 300
"""That are kept of one part of a trace."""
MOST_OPEN = 20_000
"""Unfinished spans that are remembered in one process; beyond that only what is sampled is sent."""
LAST_WORDS = 3.0
"""Seconds that the last export may take."""

_ALL = 1 << 64


def provider() -> TracerProvider:
    """Sends spans to where the standard variables say. Raises InvalidSetting for a share that is none."""
    resource = Resource.create({"service.name": telemetry.SERVICE})
    made = TracerProvider(sampler=Share(_share()), resource=resource, shutdown_on_exit=False)
    made.add_span_processor(Keeper(OTLPSpanExporter(timeout=LAST_WORDS)))
    return made


def _share() -> float:
    text = os.environ.get(VARIABLE, str(SHARE))
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise errors.InvalidSetting(f"{VARIABLE} is {text[:50]!r}; it must be a share between 0 and 1")
    return share


class Share(Sampler):
    """Records everything, and marks a share as sampled, by the trace's id; inside another's trace, as its parent is."""

    def __init__(self, share: float) -> None:
        """`share` is between 0 and 1."""
        self._share = share

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """By the last 64 bits of the id, as the library's own sampler does."""
        parent = get_current_span(parent_context).get_span_context()
        sampled = parent.trace_flags.sampled if parent.is_valid else trace_id % _ALL < self._share * _ALL
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY, attributes, trace_state=trace_state
        )

    def get_description(self) -> str:
        """For the library's own messages."""
        return f"{self._share:.0%}, and what went wrong"


@dataclass(slots=True)
class Part:
    """What this process has of a trace: the spans under one, `root`, that has no parent here."""

    root: int
    spans: list[ReadableSpan] = field(default_factory=list)
    telling: bool = False


class Keeper(BatchSpanProcessor):
    """Holds the spans of a part back until its root has ended."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        """Starts the thread that exports."""
        super().__init__(exporter)
        self._parts: dict[int, Part] = {}
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember which part it belongs to."""
        super().on_start(span, parent_context)
        if span.context is None:
            return
        own, parent = span.context.span_id, span.parent.span_id if span.parent else 0
        with self._lock:
            if len(self._parts) < MOST_OPEN:
                self._parts[own] = self._parts.get(parent) or Part(own)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it, or send the whole part that it is the root of; what comes after its root is judged alone."""
        for one in self._taken(span):
            super().on_end(one)

    def _taken(self, span: ReadableSpan) -> list[ReadableSpan]:
        own = span.context.span_id if span.context else 0
        with self._lock:
            part = self._parts.pop(own, None) or Part(own)
            part.telling = part.telling or _telling(span)
            if len(part.spans) < MOST_SPANS:
                part.spans.append(span)
            if own != part.root and part.root in self._parts:
                return []
            spans, part.spans = part.spans, []
        return [_sampled(one) for one in spans] if part.telling else spans


def _telling(span: ReadableSpan) -> bool:
    """Whether somebody would look for it."""
    took = (span.end_time or 0) - (span.start_time or 0)
    cost = (span.attributes or {}).get(telemetry.COST, 0)
    return span.status.status_code is StatusCode.ERROR or took > SLOW or (isinstance(cost, float) and cost > DEAR)


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """The same span, marked as sampled, without which nothing is sent."""
    context = span.context
    if context is None or context.trace_flags.sampled:
        return span
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return ReadableSpan(
        span.name,
        SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state),
        span.parent,
        span.resource,
        span.attributes,
        span.events,
        span.links,
        span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
