"""Traces: one for each run, from its caller's span through every stage, retry and ring. Off unless OTLP is set up.

A share of the traces is sampled; see `export`. The stages of the others are only sketched, which costs a tenth as much,
and a sketch becomes spans if somebody would look for them. No text of a report is ever put into one, so what is raised
is kept by its type alone: messages may quote a report.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from triage import telemetry
from triage.tracing.sketch import Attributes, Sketch

LINK_HEADER: Final = "triage_link"
"""Of a message that is sent long after its run came in: the trace it is linked to, instead of going on in it."""

_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NONE: Final[Attributes] = {}
_set_up_in: set[int] = set()
_sketch: ContextVar[Sketch | None] = ContextVar("sketch", default=None)
_tracer = trace.get_tracer(telemetry.SERVICE)  # finds the provider that is set later; asking for one each time is dear


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
def stage(name: str) -> Iterator[None]:
    """Within, one stage is worked on. If its trace is not sampled it is sketched, and sent where it tells something."""
    own = trace.get_current_span()
    if own.is_recording() or not own.get_span_context().is_valid:
        yield
        return
    sketch = Sketch(name, own.get_span_context())
    token = _sketch.set(sketch)
    try:
        yield
    finally:
        _sketch.reset(token)
        sketch.end()
        if sketch.tells:
            _send(sketch)


def _send(sketch: Sketch) -> None:
    from triage.tracing import export  # noqa: PLC0415 - there is a trace, so it was imported long ago

    export.send(sketch)


@contextmanager
def child(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes = _NONE) -> Iterator[None]:
    """A span inside the current one; nothing where nothing is traced. What is raised within marks it as failed."""
    opened: AbstractContextManager[object]
    if trace.get_current_span().is_recording():
        opened = _tracer.start_as_current_span(
            name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
        )
    elif (sketch := _sketch.get()) is not None:
        opened = sketch.line(name, kind, attributes)
    else:
        yield
        return
    with opened:
        try:
            yield
        except BaseException as error:
            failed(type(error).__name__)
            raise


def note(attributes: Attributes) -> None:
    """Put attributes on the current span."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes)
    elif (sketch := _sketch.get()) is not None:
        sketch.current.attributes.update(attributes)


def failed(kind: str) -> None:
    """Mark the current span as one that went wrong; `kind` is one word, never a message."""
    note({telemetry.ERROR_TYPE: kind})
    span = trace.get_current_span()
    if span.is_recording():
        span.set_status(Status(StatusCode.ERROR))


def link(parent: str | None) -> None:
    """Link the current span to the trace of this traceparent."""
    context = context_of(parent)
    other = trace.get_current_span(context).get_span_context() if context else None
    if other is None or not other.is_valid:
        return
    if (span := trace.get_current_span()).is_recording():
        span.add_link(other)
    elif (sketch := _sketch.get()) is not None:
        sketch.links.append(other)
