"""A collector: takes spans over OTLP/HTTP and keeps them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

FAST = {"OTEL_BSP_SCHEDULE_DELAY": "200"}
"""Milliseconds between two exports."""


class Collector(ThreadingHTTPServer):
    """`status` is what it answers, `delay` (seconds) how long it takes to; `raw` is everything as it came."""

    def __init__(self) -> None:
        """Listens on a free port."""
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[Span] = []
        self.raw = b""
        self.status = 200
        self.delay = 0.0

    @property
    def settings(self) -> dict[str, str]:
        """The variables that send traces here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server_port}", **FAST}

    def of_run(self, run_id: object) -> list[Span]:
        """The spans of the traces in which this run's stages are."""
        traces = {span.trace_id for span in list(self.spans) if attributes(span).get("triage.run.id") == str(run_id)}
        return [span for span in list(self.spans) if span.trace_id in traces]


class _Receiver(BaseHTTPRequestHandler):
    """Keeps what one request brings."""

    server: Collector

    def do_POST(self) -> None:
        """Read, keep, answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.delay)
        self.server.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, for as long as it is needed."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def attributes(span: Span) -> dict[str, Any]:
    """By name."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def tree(spans: list[Span]) -> dict[str, str]:
    """Each span's name with its parent's, as `outer/inner`; one entry a pair."""
    names = {span.span_id: span.name for span in spans}
    return {f"{names.get(span.parent_span_id, '')} > {span.name}": span.name for span in spans}
