"""The Celery application: `celery -A workers.app worker`."""

import celery

from workers import bootsteps, signals

app = celery.Celery("triage", config_source="celeryconfig", set_as_current=True)
app.steps["worker"].add(bootsteps.RelayStep)
app.steps["consumer"].add(bootsteps.EventsStep)
signals.connect()
