"""The Celery side: the only package that knows of Celery. What it does is decided in `triage`."""
