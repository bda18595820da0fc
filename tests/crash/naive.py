"""What people write today: a Celery task that asks "was it done?", calls, and saves, with late acknowledgement.

It has the product's broker, HTTP client and other systems, and a Postgres table of what was done. A message whose
worker died comes back after two seconds here; with Celery's own default it would take an hour.
"""

import os
import time
from datetime import timedelta
from functools import cache
from typing import Any

import celery
import sqlalchemy

from tests.crash import hooks
from triage import errors
from triage.model import Request, ToolClass, ToolSpec, digest
from triage.tools.egress import Egress
from triage.tools.transport import Transport
from triage.tools.webhook import Webhook

TABLE = "create table if not exists naive (source_id text, what text, object text, primary key (source_id, what))"
EXISTS = "select object from naive where source_id = %(source_id)s and what = %(what)s"
SAVE = "insert into naive values (%(source_id)s, %(what)s, %(object)s)"
TIMEOUT = 1.0
OPTIONS = ["--pool", "threads", "--without-mingle", "--without-gossip", "--loglevel", "INFO"]

app = celery.Celery("naive", set_as_current=False)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue="naive",
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 2,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "global_keyprefix": "triage:",
    },
)


@app.task(name="naive.file", autoretry_for=(errors.ToolError,), default_retry_delay=1, max_retries=10)
def file(source_id: str, title: str) -> None:
    """File a ticket and tell people, each only if that was not done before."""
    for what, name in (("ticket", "TRACKER"), ("notice", "NOTIFIER")):
        given = {"source_id": source_id, "what": what}
        if not _sql(EXISTS, given):
            sent = _tool(name).send(Request(key(**given), what, {"title": title}, time.monotonic() + TIMEOUT))
            _sql(SAVE, {**given, "object": sent.remote_id})


def key(source_id: str, what: str) -> str:
    """What the other system is told to tell duplicates by; it keeps no keys."""
    return digest({"source_id": source_id, "what": what}).hex()


def send(broker_url: str, source_id: str) -> None:
    """Hand in one report."""
    sender = celery.Celery("sender", broker=broker_url, set_as_current=False)
    sender.conf.broker_transport_options = {"global_keyprefix": "triage:"}
    with sender:
        sender.send_task("naive.file", kwargs={"source_id": source_id, "title": "Saving fails"}, queue="naive")


def main(wish: dict[str, Any]) -> int:
    """Be a worker, as a forked child."""
    hooks.install()
    app.conf.broker_url = os.environ["TRIAGE_BROKER_URL"]
    app.worker_main(["worker", "-n", f"{wish['name']}@%h", "--concurrency", str(wish["slots"]), *OPTIONS])
    return 0


def _sql(text: str, given: dict[str, Any]) -> Any:
    with _engine().connect() as connection:
        result = connection.exec_driver_sql(text, given)
        return result.all() if result.returns_rows else []


@cache
def _engine() -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(os.environ["TRIAGE_DATABASE_URL"], isolation_level="AUTOCOMMIT", pool_size=4)


@cache
def _tool(name: str) -> Webhook:
    spec = ToolSpec(name.lower(), ToolClass.BLIND, timedelta(seconds=TIMEOUT))
    return Webhook(spec, os.environ[f"TRIAGE_{name}__URL"], Transport(egress=Egress(["127.0.0.1"])))
