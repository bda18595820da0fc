"""A tool for tests: it answers as it is told and remembers what it was asked."""

import threading
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from triage.model import Finding, LiveValues, Marked, Request, Sent, ToolClass, ToolSpec
from triage.model.tickets import Page, Standing

SPEC = ToolSpec("recorder", ToolClass.KEYED, timeout=timedelta(seconds=10))
PATIENCE = 10.0
"""Seconds that `wait_for` waits at most."""


class RecordingTool:
    """A `Tool` in memory. `sent` holds the requests in order, `asked` the names of the other methods called."""

    def __init__(self, *answers: Sent | Exception, spec: ToolSpec = SPEC) -> None:
        """`answers` are given in order, the last of them for ever; none: each request gets an id of its own."""
        self._spec = spec
        self._answers: Iterator[Sent | Exception] = iter(answers[:-1])
        self._last = answers[-1] if answers else None
        self._changed = threading.Condition()
        self.sent: list[Request] = []
        self.asked: list[str] = []

    @property
    def spec(self) -> ToolSpec:
        """As it was given."""
        return self._spec

    def send(self, request: Request) -> Sent:
        """The next answer."""
        with self._changed:
            self.sent.append(request)
            answer = next(self._answers, self._last)
            self._changed.notify_all()
        if isinstance(answer, Exception):
            raise answer
        return answer or Sent(f"R-{len(self.sent)}")

    def wait_for(self, calls: int) -> None:
        """Wait until it was sent so many requests; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.sent) >= calls, PATIENCE):
                raise TimeoutError(f"{len(self.sent)} of {calls} requests came")

    def render(self, request: Request) -> bytes:
        """The key."""
        self.asked.append("render")
        return request.key.encode()

    def find(self, request: Request) -> Sent | None:
        """Its answer to a request with this key, if there was one."""
        self.asked.append("find")
        return Sent("R-found") if any(request.key == sent.key for sent in self.sent) else None

    def dropped(self, request: Request, sent: Sent) -> tuple[str, ...]:
        """Always something, so that it is seen to be passed on."""
        self.asked.append("dropped")
        return (f"{sent.remote_id} lost a label of {request.target}",)

    def values(self, deadline: float) -> LiveValues:  # noqa: ARG002 - a tool's signature
        """One target."""
        self.asked.append("values")
        return LiveValues(targets=frozenset({"here"}))

    def marked(self, since: datetime, deadline: float) -> Iterable[Marked]:  # noqa: ARG002 - a tool's signature
        """What it was sent."""
        self.asked.append("marked")
        return [Marked(request.key, f"R-{number}") for number, request in enumerate(self.sent, 1)]

    def changed(self, target: str, since: datetime, after: str, deadline: float) -> Page[Standing]:  # noqa: ARG002 - a tool's signature
        """What it was sent, as it was sent."""
        self.asked.append("changed")
        labels = ((request.key, request.content.get("labels", ())) for request in self.sent)
        return Page(tuple(Standing(key, tuple(given)) for key, given in labels))

    def preflight(self, deadline: float) -> Iterable[Finding]:  # noqa: ARG002 - a tool's signature
        """All is well."""
        self.asked.append("preflight")
        return [Finding("memory", good=True, found="there is some")]
