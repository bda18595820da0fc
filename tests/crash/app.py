"""The product's worker, watched: `CRASH_AT=LABEL#N celery -A tests.crash.app worker`."""

from tests.crash import hooks
from workers import tasks
from workers.app import app

__all__ = ["app", "tasks"]

hooks.install()
