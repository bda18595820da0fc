"""The bare system: a chain of three plain Celery tasks that pass their results on and keep no state.

It is given what the product has: the same broker settings, pool, late acknowledgement, prefetch, events, one log line
a stage, and the product's own rules and HTTP client. `celery -A tests.bench.bare worker`.
"""

import logging
import os
import time
from datetime import timedelta
from typing import Any

import celery
from celery import canvas, signals

import celeryconfig
from triage.bootstrap import services
from triage.decide.rules import Rules
from triage.model import Decision, Made, Outlet, Report, Request, Sent, Stage, ToolClass, ToolSpec
from triage.stages import create_ticket as ticket_stage
from triage.stages import triage as triage_stage
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.tools.webhook import Webhook

_SHARED = [
    name
    for name in dir(celeryconfig)
    if name != "broker_transport"
    and name.startswith(("broker_", "worker_", "task_acks_", "task_send_", "task_publish_", "task_ignore_"))
]
_settings = services().settings
_wait = float(os.environ.get("BENCH_WAIT", "0"))

app = celery.Celery("bare", set_as_current=True)
app.conf.update({name: getattr(celeryconfig, name) for name in _SHARED})
app.conf.update(task_default_queue="bare", worker_hijack_root_logger=True)
if os.environ.get("BENCH_LEAN"):
    app.conf.update(worker_send_task_events=False, task_send_sent_event=False)

OUTLET = Outlet("bench", "bench")
_rules = Rules.load()
_transport = Transport(egress=Egress(["127.0.0.1"]))


def _tool(name: str, url: str | None) -> Webhook:
    return Webhook(ToolSpec(name, ToolClass.KEYED, timedelta(seconds=10)), url or "", _transport)


_tracker = _tool("tracker", _settings.tracker.url)
_notifier = _tool("notifier", _settings.notifier.url)


@signals.after_setup_logger.connect
def _one_line_a_stage(**_: Any) -> None:
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
    if os.environ.get("BENCH_LEAN"):
        logging.getLogger().setLevel(logging.WARNING)


@app.task(name="bare.triage")
def triage(fields: dict[str, Any]) -> dict[str, Any]:
    """Decide what the report is, and hand on the ticket."""
    if _wait:
        time.sleep(_wait)
    report = Report.parse(fields)
    decision = _rules.decide(report)
    draft = triage_stage.plan_ticket(report, decision, OUTLET)
    return {"key": report.key.hex(), "decision": decision.model_dump(mode="json"), "ticket": draft.content}


@app.task(name="bare.create_ticket")
def create_ticket(triaged: dict[str, Any]) -> dict[str, Any]:
    """File the ticket, and hand on its link."""
    sent = _tracker.send(_request(triaged["key"], "bench", triaged["ticket"]))
    return {"key": triaged["key"], "decision": triaged["decision"], "id": sent.remote_id, "url": sent.remote_url}


@app.task(name="bare.notify")
def notify(filed: dict[str, Any]) -> None:
    """Tell people."""
    decision = Decision.model_validate(filed["decision"])
    made = Made(Stage.CREATE_TICKET, "tracker", Sent(filed["id"], filed["url"]))
    draft = ticket_stage.plan_notice(decision, [made], OUTLET)
    _notifier.send(_request(filed["key"], draft.target, draft.content))


def submit(fields: dict[str, Any]) -> None:
    """Enqueue one run."""
    canvas.chain(triage.s(fields), create_ticket.s(), notify.s()).apply_async()


def _request(key: str, target: str, content: dict[str, Any]) -> Request:
    return Request(key, target, content, time.monotonic() + 10)
