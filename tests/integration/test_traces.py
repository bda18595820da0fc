"""One trace for each run, from the caller's span through all three stages."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider

from tests.support import waiting
from tests.support.site import Site, report
from triage.model import Stage
from triage.store.postgres import PostgresStore
from triage.telemetry import traceparent

STAGES = {f"run/triage.{stage}" for stage in (Stage.TRIAGE, Stage.CREATE_TICKET, Stage.NOTIFY)}


class Collector(ThreadingHTTPServer):
    """Takes spans over OTLP/HTTP."""

    def __init__(self) -> None:
        """Listens on a free port."""
        super().__init__(("127.0.0.1", 0), Receiver)
        self.spans: list[Span] = []


class Receiver(BaseHTTPRequestHandler):
    """Keeps what one request brings."""

    server: Collector

    def do_POST(self) -> None:
        """Read, keep, say yes."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector for one test."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("split", [False, True], ids=["one worker", "a worker for each stage"])
def test_a_run_is_one_trace(site: Site, collector: Collector, split: bool) -> None:
    """The spans of all three stages are in the trace of whoever submitted the report, also across workers."""
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    site.settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    for worker in [site.worker(queues=[stage]) for stage in Stage] if split else [site.worker()]:
        worker.wait_ready()
    with TracerProvider().get_tracer("caller").start_as_current_span("caller") as span:
        (submitted,) = PostgresStore(site.database).submit_many([report()], traceparent())
    site.wait([submitted.run_id])
    trace_id = span.get_span_context().trace_id.to_bytes(16, "big")

    def seen() -> set[str]:
        return {one.name for one in list(collector.spans) if one.trace_id == trace_id}

    waiting.until(lambda: seen() >= STAGES, 15, lambda: f"{seen()} of {[one.name for one in collector.spans]}")
    names = [one.name for one in collector.spans if one.name in STAGES]
    assert sorted(names) == sorted(STAGES)
