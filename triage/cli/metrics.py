"""The command `metrics`: what Prometheus reads."""

import sys

from triage.cli import frame


def metrics() -> None:
    """Print what the console serves as /metrics: every number that Prometheus reads, as of now.

    Example: [bold]triage metrics | grep triage_dead_runs[/]
    """
    with frame.services() as opened:
        from triage import metrics as made  # noqa: PLC0415 - start-up speed

        page = made.document(opened)
    sys.stdout.write(page.decode())
