"""What is sent of all that is traced.

A share of the traces is sampled, the same in every process, and whatever the caller's own trace samples. Of the rest a
stage in which something failed, or that was slow or dear, is sent from its sketch. What is buffered is bounded, and a
collector that is away costs spans, never runs.
"""

import os
from functools import cache

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from triage import errors, telemetry
from triage.tracing.sketch import Line, Sketch

SHARE = 0.1
"""Of the traces in which nothing happened that somebody would look for."""
VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
LAST_WORDS = 3.0
"""Seconds that the last export may take."""

_IDS = RandomIdGenerator()
_SCOPE = InstrumentationScope(telemetry.SERVICE)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_FAILED = Status(StatusCode.ERROR)


def provider() -> TracerProvider:
    """Sends spans to where the standard variables say. Raises InvalidSetting for a share that is none."""
    made = TracerProvider(sampler=ParentBasedTraceIdRatio(_share()), resource=_resource(), shutdown_on_exit=False)
    made.add_span_processor(_processor(os.getpid()))
    return made


def send(sketch: Sketch) -> None:
    """Make spans of a sketch, and send them."""
    processor, contexts = _processor(os.getpid()), [_context(sketch, number) for number in range(len(sketch.lines))]
    for line, context in zip(sketch.lines, contexts, strict=True):
        parent = contexts[line.parent] if line.parent >= 0 else None
        links = [Link(other) for other in sketch.links] if parent is None else []
        processor.on_end(_span(line, context, parent, links))


@cache
def _processor(_pid: int) -> BatchSpanProcessor:
    """That of this process."""
    return BatchSpanProcessor(OTLPSpanExporter(timeout=LAST_WORDS))


@cache
def _resource() -> Resource:
    return Resource.create({"service.name": telemetry.SERVICE})


def _context(sketch: Sketch, number: int) -> SpanContext:
    """The first line is the span that messages were sent within."""
    span_id = _IDS.generate_span_id() if number else sketch.context.span_id
    return SpanContext(sketch.context.trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


def _span(line: Line, context: SpanContext, parent: SpanContext | None, links: list[Link]) -> ReadableSpan:
    return ReadableSpan(
        line.name,
        context,
        parent,
        _resource(),
        line.attributes,
        links=links,
        kind=line.kind,
        status=_FAILED if telemetry.ERROR_TYPE in line.attributes else Status(),
        start_time=line.began,
        end_time=max(line.ended, line.began),
        instrumentation_scope=_SCOPE,
    )


def _share() -> float:
    text = os.environ.get(VARIABLE, str(SHARE))
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise errors.InvalidSetting(f"{VARIABLE} is {text[:50]!r}; it must be a share between 0 and 1")
    return share
