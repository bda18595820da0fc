"""One trace for each run, from the caller's span through all stages, and what of it is sent."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanContext

from tests.support import databases, waiting
from tests.support.otlp import Collector, attributes, collecting, tree
from tests.support.site import TICKETS, Site, report
from triage.model import Stage, ToolClass
from triage.model import Status as RunStatus
from triage.store.operations import Operations
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs
from triage.tracing import traceparent

STAGES = {f"run/triage.{stage}" for stage in (Stage.TRIAGE, Stage.CREATE_TICKET, Stage.NOTIFY)}
ALL, NONE = {"OTEL_TRACES_SAMPLER_ARG": "1"}, {"OTEL_TRACES_SAMPLER_ARG": "0"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector for one test."""
    with collecting() as server:
        yield server


def submit_within(site: Site, **fields: object) -> tuple[UUID, SpanContext]:
    """Submit a report inside a caller's sampled span; its run, and that span."""
    with TracerProvider().get_tracer("caller").start_as_current_span("caller") as span:
        (submitted,) = PostgresStore(site.database).submit_many([report(**fields)], traceparent())
    return submitted.run_id, span.get_span_context()


def wait_for_names(collector: Collector, run_id: UUID, names: set[str]) -> list[Span]:
    """The run's spans, once there is one with each of these names."""

    def seen() -> set[str]:
        return {one.name for one in collector.of_run(run_id)}

    waiting.until(lambda: seen() >= names, 20, lambda: f"{seen()} of {[one.name for one in collector.spans]}")
    return collector.of_run(run_id)


@pytest.mark.parametrize("split", [False, True], ids=["one worker", "a worker for each stage"])
def test_a_run_is_one_trace(site: Site, collector: Collector, split: bool) -> None:
    """The spans of all three stages are in the trace of whoever submitted the report, also across workers."""
    site.settings |= collector.settings | NONE
    for worker in [site.worker(queues=[stage]) for stage in Stage] if split else [site.worker()]:
        worker.wait_ready()
    run_id, caller = submit_within(site)
    site.wait([run_id])
    spans = wait_for_names(collector, run_id, STAGES)
    assert {span.trace_id for span in spans} == {caller.trace_id.to_bytes(16, "big")}
    names = [one.name for one in spans if one.name in STAGES]
    assert sorted(names) == sorted(STAGES)
    found = tree(spans)
    for pair in (
        "run/triage.triage > decide",
        "run/triage.create_ticket > send",
        "run/triage.notify > send",
        "run/triage.triage > complete_triage",
    ):
        assert pair in found, sorted(found)


def test_a_call_is_told_with_its_tool_and_its_status(site: Site, collector: Collector) -> None:
    """The span of a call names the tool, its class and effect, and the HTTP request within it has its status."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= collector.settings | ALL
    site.ready_worker()
    ids = site.submit()
    site.wait(ids)
    spans = wait_for_names(collector, ids[0], {"run/triage.notify"})
    sends = [attributes(span) for span in spans if span.name == "send"]
    assert [(one["triage.tool.name"], one["triage.tool.class"]) for one in sends] == [
        ("webhook-tracker", "keyed"),
        ("webhook-notifier", "keyed"),
    ]
    posts = [attributes(span) for span in spans if span.name == "POST"]
    assert [(one["server.address"], one["http.response.status_code"]) for one in posts] == [("127.0.0.1", 201)] * 2
    (stage,) = [attributes(span) for span in spans if span.name == "run/triage.create_ticket"]
    assert (stage["triage.outcome"], stage["triage.attempt"]) == ("finished", 1)
    assert (stage["messaging.system"], stage["messaging.destination.name"]) == ("redis", "create_ticket")


def test_a_run_stays_one_trace_over_a_killed_worker_a_retry_and_a_ring(site: Site, collector: Collector) -> None:
    """Attempts after a death, a refused connection and the relay's ring go on in the first trace."""
    site.use_tools(ToolClass.KEYED, timeout=3)
    site.settings |= collector.settings | ALL
    site.tools.script(f"keyed/{TICKETS}", "429", "hang")
    victim = site.ready_worker()
    run_id, caller = submit_within(site)
    site.wait_called(times=2)
    victim.kill(signal.SIGKILL)
    site.ready_worker()
    site.wait([run_id], 40)
    spans = wait_for_names(collector, run_id, {"run/triage.notify"})
    assert {span.trace_id for span in spans} == {caller.trace_id.to_bytes(16, "big")}
    outcomes = [attributes(span).get("triage.outcome") for span in spans if span.name == "run/triage.create_ticket"]
    assert "finished" in outcomes


def test_what_comes_long_after_is_linked_to_the_first_trace(site: Site, collector: Collector) -> None:
    """A run that a person frees long after it came in goes on in a trace of its own, linked to its caller's."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= collector.settings | ALL
    site.tools.script(f"keyed/{TICKETS}", "refuse")
    site.ready_worker()
    run_id, caller = submit_within(site)
    site.wait([run_id], 20, RunStatus.DEAD)
    databases.query(site.database, "update run set created_at = now() - interval '7 days' where id = %s", run_id)
    Operations(site.database, "test").redrive(run_id)
    site.wait([run_id])
    first = caller.trace_id.to_bytes(16, "big")
    waiting.until(lambda: any(one.name == "run/triage.notify" for one in collector.spans), 20, site.tails)
    later = [span for span in collector.of_run(run_id) if span.trace_id != first]
    (redriven,) = [span for span in later if span.name == "run/triage.create_ticket"]
    assert [link.trace_id for link in redriven.links] == [first]
    assert Runs(site.database).story(run_id).traces == (first.hex(), redriven.trace_id.hex())


def test_failures_are_sent_however_small_the_share(site: Site, collector: Collector) -> None:
    """With a share of nothing, a run without trouble sends no span, and one with a refused ticket all of that stage."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= collector.settings | NONE
    site.ready_worker()
    (quiet,) = site.submit()
    site.wait([quiet])
    site.tools.script(f"keyed/{TICKETS}", "refuse")
    (dead,) = site.submit()
    site.wait([dead], 20, RunStatus.DEAD)
    spans = wait_for_names(collector, dead, {"run/triage.create_ticket", "send", "POST", "settle"})
    assert collector.of_run(quiet) == []
    failed = {
        span.name: attributes(span)["error.type"] for span in spans if span.status.code == Status.STATUS_CODE_ERROR
    }
    assert failed == {"run/triage.create_ticket": "dead", "send": "Refused"}


def test_no_span_holds_the_text_of_a_report(site: Site, collector: Collector) -> None:
    """Neither title nor body nor reporter of a report is in anything that is sent, also when its ticket is refused."""
    site.use_tools(ToolClass.KEYED)
    site.settings |= collector.settings | ALL
    site.tools.script(f"keyed/{TICKETS}", "refuse")
    site.ready_worker()
    secrets = {"title": "xylophone-title", "body": "xylophone-body", "reporter": "xylophone-reporter"}
    dead, _ = submit_within(site, **secrets)
    site.wait([dead], 20, RunStatus.DEAD)
    done, _ = submit_within(site, **secrets)
    site.wait([done])
    wait_for_names(collector, done, STAGES)
    wait_for_names(collector, dead, {"run/triage.create_ticket"})
    assert b"xylophone" not in collector.raw


@pytest.mark.parametrize("trouble", ["away", "refuses", "hangs"])
def test_a_collector_in_trouble_hurts_no_run(site: Site, collector: Collector, trouble: str) -> None:
    """Runs end, and the worker signs off in time, while nobody takes the spans."""
    site.settings |= collector.settings | ALL
    if trouble == "away":
        site.settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    collector.status, collector.delay = (503 if trouble == "refuses" else 200), (20.0 if trouble == "hangs" else 0.0)
    worker = site.ready_worker()
    ids = site.submit(20)
    site.wait(ids)
    worker.kill(signal.SIGTERM)
    assert worker.wait_end(timedelta(seconds=15).total_seconds()) == 0
