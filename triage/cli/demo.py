"""The command `demo`: the shipped sample reports, filed for real by one worker."""

from typing import Annotated

import typer

from triage.cli import frame

SECONDS = 25.0


def demo(
    *,
    timeout: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="How long to wait at most.")] = SECONDS,
    as_json: frame.AsJson = False,
) -> None:
    """File the shipped sample reports, some of them several times at once, and show what came of them.

    Starts the embedded servers if none are set, and one worker, and ends what it started. Run it again: nothing new is
    filed.

    Example: [bold]triage demo[/]
    """
    from triage.cli import demonstration  # noqa: PLC0415 - start-up speed

    with frame.services() as opened:
        told = demonstration.run(opened, frame.seconds(timeout), as_json=as_json)
    if as_json:
        frame.show_json(told.document())
    else:
        frame.output().print(told.table())
        typer.echo(told.closing_line())
    if not told.well:
        frame.note(
            "not all is well; see `triage list --limit 40`, `triage show RUN`, and demo-worker.log in the home folder"
        )
    raise typer.Exit(frame.Code.FINE if told.well else frame.Code.NOT_ALL_WELL)
