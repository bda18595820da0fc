"""What happens when a worker process starts and ends: logs, traces, and the row that says it is alive."""

import logging
import os
from typing import Any

from celery import signals

from triage import config, logs, tracing
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
    os.register_at_fork(after_in_child=_keepers.clear)  # those of the parent: their rows are not ours to sign off


def _set_up_logs(loglevel: int | None = None, **_: Any) -> None:  # noqa: ANN401 - Celery's signature
    settings = services().settings
    # A line for each stage is always there: Celery's own default would leave it out.
    logs.set_up(settings.log_format, min(loglevel or logging.INFO, logging.INFO), config.secrets(settings))


def _begin(**_: Any) -> None:  # noqa: ANN401
    """Build what tasks need before the first of them, so that threads do not race to do so."""
    if tracing.set_up():
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
    tracing.flush()
    services().close()
