"""Send a run's messages in the trace of whoever submitted it."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context

from triage import telemetry


@contextmanager
def of(parent: str | None) -> Iterator[None]:
    """Within, what is published carries the caller's trace; without a parent nothing changes."""
    kept = telemetry.context_of(parent)
    token = context.attach(kept) if kept is not None else None
    try:
        yield
    finally:
        if token is not None:
            context.detach(token)
