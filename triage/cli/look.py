"""The commands that look at runs: `show`, `list`, `wait`."""

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from triage.cli import frame, render
from triage.model import Status

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.client import Client
    from triage.store.runs import RunLine

WAIT_SECONDS = 300.0
MOST = 100_000
"""Runs that one command handles."""
SHOWN = 50
"""Runs of a waited-for crowd that are shown one by one."""

Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait at most.")]


def show(run: frame.RunId, *, as_json: frame.AsJson = False) -> None:
    """Tell the whole story of a run: what came in, what was decided and why, every attempt and call, what it waits for.

    Example: [bold]triage show 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/]
    """
    with frame.services() as opened:
        story = opened.runs.story(frame.run_id(run))
    if as_json:
        frame.show_json(story.model_dump(mode="json"))
    else:
        frame.output().print(render.story(story))


def list_runs(
    *,
    status: Annotated[list[Status] | None, typer.Option(help="Only runs with this status; may be repeated.")] = None,
    source: Annotated[str | None, typer.Option(help="Only reports from this source.")] = None,
    source_id: Annotated[str | None, typer.Option(help="Only the report with this id in its source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many.")] = 50,
    as_json: frame.AsJson = False,
) -> None:
    """List runs, newest first.

    Example: [bold]triage list --status dead --status held --source sentry[/]
    """
    with frame.services() as opened:
        lines = opened.runs.lines(statuses=status or (), source=source, source_id=source_id, limit=limit)
    if as_json:
        frame.show_json([line.model_dump(mode="json") for line in lines])
        return
    console = frame.output()
    console.print(render.table(lines, console.width))
    if len(lines) == limit:
        frame.note(f"only the newest {limit}; --limit shows more")


def wait(
    runs: frame.RunIdsOrNone = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Wait for every run that goes on now.")] = False,
    timeout: Timeout = WAIT_SECONDS,
    as_json: frame.AsJson = False,
) -> None:
    """Wait until runs have come to an end: done, dead, cancelled, or held for a person.

    Examples: [bold]triage wait 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/] · [bold]triage wait --all --timeout 60[/]
    """
    if bool(runs) == everything:
        raise frame.Misused("name the runs to wait for, or say --all")
    with frame.client() as (opened, client):
        ids = [line.id for line in _active(opened)] if everything else [frame.run_id(run) for run in runs or ()]
        lines = wait_for(opened, client, ids, frame.seconds(timeout), as_json=as_json)
    if as_json:
        frame.show_json([line.model_dump(mode="json") for line in lines])
    else:
        tell_ends(lines)
    raise typer.Exit(code_of(lines))


def wait_for(
    opened: "Services", client: "Client", ids: list[UUID], timeout: timedelta, *, as_json: bool
) -> "list[RunLine]":
    """Wait with a progress bar; says so when there is nobody to do the work."""
    if ids and not opened.runs.workers():
        frame.note("no worker is running, so nothing will happen until one is started: `make worker`")
    with frame.progress(as_json=as_json) as bar:
        task = bar.add_task("finished", total=len(ids))
        return client.wait(ids, timeout, lambda count: bar.update(task, completed=count))


def tell_ends(lines: "list[RunLine]") -> None:
    """Print the runs (those that did not end well, if there are many) and how many ended how."""
    shown = lines if len(lines) <= SHOWN else [line for line in lines if line.status is not Status.DONE][:SHOWN]
    if shown:
        console = frame.output()
        console.print(render.table(shown, console.width))
    typer.echo(" · ".join(f"{count} {status}" for status, count in counts(lines).items()) or "nothing to wait for")


def counts(lines: "list[RunLine]") -> dict[str, int]:
    """How many of the runs have which status."""
    return {str(status): count for status, count in Counter(line.status for line in lines).most_common()}


def code_of(lines: "list[RunLine]") -> frame.Code:
    """The exit code after waiting for these runs."""
    well = all(line.status is Status.DONE for line in lines)
    return frame.Code.FINE if well else frame.Code.NOT_ALL_WELL


def _active(opened: "Services") -> "list[RunLine]":
    return opened.runs.lines(statuses=[Status.ACTIVE], limit=MOST)
