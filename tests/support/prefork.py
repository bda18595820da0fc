"""The product in a prefork pool whose children are soon replaced: `-A tests.support.prefork`.

Celery lets the setting win over `--pool prefork`, so this is how the pool is chosen.
"""

from workers.app import app

__all__ = ["app"]

app.conf.worker_pool = "prefork"
app.conf.worker_max_tasks_per_child = 4
