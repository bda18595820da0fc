"""Every log event's name, and the set-up of logs and traces for one process."""

import logging
import os
import sys

import structlog
from opentelemetry import propagate, trace
from opentelemetry.context import Context

SERVICE = "triage"

# Log events: nouns with fields.
STAGE = "stage"
REAPED = "processes_reaped"
RELAY_FAILED = "relay_failed"
LEASE_LATE = "lease_not_renewed"
GUARD_BOOKS_FAILED = "guard_books_failed"
SHADOW = "shadow"
VALUES_FAILED = "values_not_learned"
SWEEP_FAILED = "sweep_failed"
ROUNDS_FAILED = "rounds_failed"
DUPLICATE = "duplicate_found"
SHADOW_FAILED = "shadow_failed"
SHADOW_LOST = "shadow_lost"

_TRACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_set_up_in: set[int] = set()


def set_up_logs(form: str, level: int = logging.INFO) -> None:
    """Render our records and those of libraries alike: `console` for people, `json` for machines."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_render(form)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _render(form: str) -> list[structlog.typing.Processor]:
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, last]


def traces_wanted() -> bool:
    """Whether the standard variables say where traces go."""
    return any(os.environ.get(name) for name in _TRACES)


def set_up_traces() -> bool:
    """Start exporting in this process, after any fork; True the first time, False when off or done before."""
    if not traces_wanted() or os.getpid() in _set_up_in:
        return False
    _set_up_in.add(os.getpid())
    # Imported here, because a process without traces should not pay for them in memory and start-up.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


def flush_traces() -> None:
    """Send what is still buffered; called when the process ends."""
    shut_down = getattr(trace.get_tracer_provider(), "shutdown", None)  # only the SDK's has one
    if shut_down is not None:
        shut_down()


def traceparent() -> str | None:
    """The current trace context as W3C text, to be kept with a run; None outside any trace."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def context_of(parent: str | None) -> Context | None:
    """The trace context that was kept with a run."""
    return propagate.extract({"traceparent": parent}) if parent else None
