"""A stage in outline: what its spans would be, for next to nothing."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from opentelemetry.trace import SpanContext, SpanKind

from triage import telemetry

Attributes: TypeAlias = Mapping[str, str | bool | int | float]
"""By their names in `telemetry`."""

SLOW = 30_000_000_000
"""Nanoseconds from which on a stage is worth a look."""
DEAR = 0.05
"""US dollars, likewise."""
MOST_LINES = 300


@dataclass(slots=True)
class Line:
    """One span to be. `parent` is the number of the line around it, -1 for the stage's; times are in ns since 1970."""

    name: str
    kind: SpanKind
    parent: int
    attributes: dict[str, Any]
    began: int = field(default_factory=time.time_ns)
    ended: int = 0


class Sketch:
    """Of one stage, in one thread. `context` is that of the span that was not recorded."""

    def __init__(self, name: str, context: SpanContext) -> None:
        """Begins now."""
        self.context = context
        self.links: list[SpanContext] = []
        self.lines = [Line(name, SpanKind.CONSUMER, -1, {})]
        self._open = [0]

    @property
    def current(self) -> Line:
        """The line that is open and has no open one within."""
        return self.lines[self._open[-1]]

    @contextmanager
    def line(self, name: str, kind: SpanKind, attributes: Attributes) -> Iterator[None]:
        """A line within the current one; of too many the rest is left out."""
        if len(self.lines) == MOST_LINES:
            yield
            return
        self.lines.append(Line(name, kind, self._open[-1], dict(attributes)))
        self._open.append(len(self.lines) - 1)
        try:
            yield
        finally:
            self.lines[self._open.pop()].ended = time.time_ns()

    def end(self) -> None:
        """The stage is over."""
        self.lines[0].ended = time.time_ns()

    @property
    def tells(self) -> bool:
        """Whether somebody would look for it: something failed, or it was slow or dear."""
        slow = self.lines[0].ended - self.lines[0].began > SLOW
        return slow or any(_tells(line.attributes) for line in self.lines)


def _tells(attributes: Mapping[str, Any]) -> bool:
    return telemetry.ERROR_TYPE in attributes or attributes.get(telemetry.COST, 0) > DEAR
