"""The commands `local start`, `local stop`, `local status`: the embedded Postgres and Redis."""

import typer

from triage.cli import frame

app = typer.Typer(no_args_is_help=True, help="The embedded Postgres and Redis, used when no other servers are set.")


@app.command()
def start(*, as_json: frame.AsJson = False) -> None:
    """Start them, and let them run until `triage local stop`, also when nobody uses them.

    Example: [bold]triage local start[/]
    """
    from triage.cli import embedded  # noqa: PLC0415 - start-up speed

    embedded.start()
    embedded.tell(as_json=as_json)


@app.command()
def stop(*, as_json: frame.AsJson = False) -> None:
    """Stop them and come back when they are gone. Nothing is lost; workers go on when they are started again.

    Example: [bold]triage local stop[/]
    """
    from triage.cli import embedded  # noqa: PLC0415 - start-up speed

    embedded.stop()
    embedded.tell(as_json=as_json)


@app.command()
def status(*, as_json: frame.AsJson = False) -> None:
    """Tell whether they run, where, and how much they hold. Starts nothing.

    Example: [bold]triage local status --json[/]
    """
    from triage.cli import embedded  # noqa: PLC0415 - start-up speed

    embedded.tell(as_json=as_json)
