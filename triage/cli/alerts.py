"""The commands `alerts rules` and `alerts dashboard`: what Prometheus and Grafana are given."""

import typer

from triage.cli import frame

app = typer.Typer(no_args_is_help=True, help="Rules for Prometheus and a dashboard for Grafana.")


@app.callback()
def _group() -> None:
    """Rules for Prometheus and a dashboard for Grafana."""


@app.command()
def rules(*, as_json: frame.AsJson = False) -> None:
    """Print the rules file for Prometheus: what it records, and every alert, by the settings objectives and alerts.

    JSON tells the alerts alone.

    Example: [bold]triage alerts rules > /etc/prometheus/triage-rules.yml[/]
    """
    from triage import config  # noqa: PLC0415 - start-up speed
    from triage.alerts import rules as made  # noqa: PLC0415 - start-up speed

    settings = config.load()
    if as_json:
        told = made.alerts(settings.objectives)
        frame.show_json([alert.rule(settings.alerts.runbook, 1.0) for alert in told])
    else:
        typer.echo(made.document(settings.objectives, settings.alerts), nl=False)


@app.command()
def dashboard() -> None:
    """Print the dashboard for Grafana, as JSON to be imported.

    Example: [bold]triage alerts dashboard > triage.json[/]
    """
    from triage import config  # noqa: PLC0415 - start-up speed
    from triage.alerts import dashboard as made  # noqa: PLC0415 - start-up speed

    typer.echo(made.document(config.load().objectives), nl=False)
