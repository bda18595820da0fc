"""What happens when a worker process starts and ends: logs, traces, and the row that says it is alive."""

import logging
from typing import Any

from celery import signals

from triage import telemetry
from triage.bootstrap import services
from workers.keeper import Keeper

_keepers: list[Keeper] = []


def connect() -> None:
    """Threads workers run tasks in the process that gets `worker_init`, prefork workers in those that get the other."""
    signals.setup_logging.connect(_set_up_logs, weak=False)
    signals.worker_init.connect(_begin, weak=False)
    signals.worker_shutdown.connect(_end, weak=False)
    signals.worker_process_init.connect(_begin, weak=False)
    signals.worker_process_shutdown.connect(_end, weak=False)


def _set_up_logs(**_: Any) -> None:  # noqa: ANN401 - Celery's signature
    telemetry.set_up_logs(services().settings.log_format)
    for chatty in ("celery.worker.strategy", "celery.app.trace"):  # one line a stage is enough, and it is ours
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _begin(**_: Any) -> None:  # noqa: ANN401
    """Build what tasks need before the first of them, so that threads do not race to do so."""
    if telemetry.set_up_traces():
        from opentelemetry.instrumentation.celery import CeleryInstrumentor  # noqa: PLC0415 - memory, where traces are off

        CeleryInstrumentor().instrument()
    mine = services()
    mine.engine  # noqa: B018 - builds it
    mine.lease.renew()
    keeper = Keeper(mine.lease)
    keeper.start()
    _keepers.append(keeper)


def _end(**_: Any) -> None:  # noqa: ANN401
    while _keepers:
        _keepers.pop().stop()
    telemetry.flush_traces()
    services().close()
