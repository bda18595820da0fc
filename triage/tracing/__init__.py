"""Traces: one for each run, from its caller's span through every stage, retry and ring. Off unless OTLP is set up.

Spans are made where work is done; whether they are sent is decided in `export`. No text of a report is ever put into
one, so what is raised is kept by its type alone: messages may quote a report.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from triage import telemetry

Attributes: TypeAlias = Mapping[str, str | bool | int | float]
"""By their names in `telemetry`."""

LINK_HEADER: Final = "triage_link"
"""Of a message that is sent long after its run came in: the trace it is linked to, instead of going on in it."""

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NONE: Final[Attributes] = {}
_set_up_in: set[int] = set()


def set_up() -> bool:
    """Start exporting in this process, after any fork; True the first time, False when off or done before.

    The standard variables say where to. Raises InvalidSetting for an `OTEL_TRACES_SAMPLER_ARG` that is no share.
    """
    if not any(os.environ.get(name) for name in _VARIABLES) or os.getpid() in _set_up_in:
        return False
    _set_up_in.add(os.getpid())
    from triage.tracing import export  # noqa: PLC0415 - a process without traces should not pay for them in memory

    trace.set_tracer_provider(export.provider())
    return True


def flush() -> None:
    """Send what is still buffered, within some seconds; called when the process ends."""
    shut_down = getattr(trace.get_tracer_provider(), "shutdown", None)  # only the SDK's has one
    if shut_down is not None:
        shut_down()


def traceparent() -> str | None:
    """The current trace context as W3C text, to be kept with a run; None outside any trace."""
    if not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    """The current trace's id, 32 hexadecimal digits; None outside any trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


def context_of(parent: str | None) -> Context | None:
    """The trace context that was kept with a run."""
    return propagate.extract({"traceparent": parent}) if parent else None


@contextmanager
def child(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes = _NONE) -> Iterator[Span]:
    """A span inside the current one; nothing where nothing is traced. What is raised within marks it as failed."""
    outer = trace.get_current_span()
    if not outer.is_recording():
        yield outer
        return
    tracer = trace.get_tracer(telemetry.SERVICE)
    with tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as error:
            failed(type(error).__name__)
            raise


def note(attributes: Attributes) -> None:
    """Put attributes on the current span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes)


def failed(kind: str) -> None:
    """Mark the current span as one that went wrong; `kind` is one word, never a message."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute(telemetry.ERROR_TYPE, kind)
        span.set_status(Status(StatusCode.ERROR))


def link(parent: str | None) -> None:
    """Link the current span to the trace of this traceparent."""
    context = context_of(parent)
    span, other = trace.get_current_span(), trace.get_current_span(context).get_span_context() if context else None
    if other is not None and other.is_valid and span.is_recording():
        span.add_link(other)
