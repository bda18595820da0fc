"""What a person does to runs: `retry`, `cancel`, `redrive`, `resolve`, `fork`."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from triage import errors
from triage.cli import frame
from triage.cli.text import plain
from triage.model import Sent, Stage, Status

if TYPE_CHECKING:
    from triage.store.operations import Operations

MOST_DEAD = 100_000


def retry(runs: frame.RunIds, *, as_json: frame.AsJson = False) -> None:
    """Try waiting runs again now, instead of when they are due. A quarantine is not cut short.

    Example: [bold]triage retry 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/]
    """
    _each(runs, "is due now", lambda operations, run_id: operations.retry(run_id), as_json=as_json)


def cancel(
    runs: frame.RunIds,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept with the run.")] = "",
    as_json: frame.AsJson = False,
) -> None:
    """Stop runs for good. A call under way ends as it ends and is recorded; nothing after it starts.

    Example: [bold]triage cancel --reason "filed by hand" 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/]
    """
    _each(runs, "is cancelled", lambda operations, run_id: operations.cancel(run_id, reason), as_json=as_json)


def redrive(
    runs: frame.RunIdsOrNone = None,
    *,
    all_dead: Annotated[bool, typer.Option("--all-dead", help="Every run that gave up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: frame.AsJson = False,
) -> None:
    """Give runs that gave up, or that wait for a person, a new set of attempts.

    Examples: [bold]triage redrive 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b[/] · [bold]triage redrive --all-dead --yes[/]
    """
    if bool(runs) == all_dead:
        raise frame.Misused("name the runs to redrive, or say --all-dead")
    chosen = _all_dead(yes=yes) if all_dead else runs or []
    _each(chosen, "goes on", lambda operations, run_id: operations.redrive(run_id), as_json=as_json)


def resolve(
    run: frame.RunId,
    *,
    happened: Annotated[
        str | None, typer.Option(metavar="ID", help="It happened: the object's id in the other system.")
    ] = None,
    link: Annotated[str, typer.Option(metavar="URL", help="The object's address, for people.")] = "",
    did_not_happen: Annotated[bool, typer.Option("--did-not-happen", help="Nothing was made: send it again.")] = False,
    fence: Annotated[
        int | None,
        typer.Option(help="The hold that was looked at, as `show` tells it: for scripts that may repeat this."),
    ] = None,
    as_json: frame.AsJson = False,
) -> None:
    """Say what became of a call whose outcome nobody but a person can find out.

    Examples: [bold]triage resolve RUN --happened BUG-17 --link https://bugs.example/17[/] ·
    [bold]triage resolve RUN --did-not-happen[/]
    """
    if (happened is None) != did_not_happen:
        raise frame.Misused("say either --happened ID or --did-not-happen")
    if link and happened is None:
        raise frame.Misused("--link belongs to --happened")
    sent = Sent(_named(happened), link) if happened is not None else None
    _each([run], "goes on", lambda operations, run_id: operations.resolve(run_id, sent, fence), as_json=as_json)


def fork(
    run: frame.RunId,
    *,
    stage: Annotated[Stage, typer.Option("--from", help="The first stage that is done again.")],
    as_json: frame.AsJson = False,
) -> None:
    """Do a run's stages again from one of them on, as a new run, which files its own ticket and notice.

    Example: [bold]triage fork 019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b --from notify[/]
    """
    with frame.services() as opened:
        forked = opened.operations(frame.who()).fork(frame.run_id(run), stage)
    if as_json:
        frame.show_json({"run_id": str(forked.run_id), "forked_from": run, "from": stage.value})
    else:
        typer.echo(f"forked as run {forked.run_id}")


def _each(runs: Sequence[str], done: str, act: "Callable[[Operations, UUID], object]", *, as_json: bool) -> None:
    """Do it to every run; one that refuses does not keep the others from it."""
    with frame.services() as opened:
        operations = opened.operations(frame.who())
        answers = [(run, _refusal(operations, run, act)) for run in runs]
    if as_json:
        frame.show_json([{"run_id": run, "ok": why is None, "error": why} for run, why in answers])
    for run, why in answers if not as_json else ():
        typer.echo(f"run {run} {done}" if why is None else f"error: {plain(why)}", err=why is not None)
    if any(why is not None for _, why in answers):
        raise typer.Exit(frame.Code.NOT_ALL_WELL)


def _refusal(operations: "Operations", run: str, act: "Callable[[Operations, UUID], object]") -> str | None:
    try:
        act(operations, frame.run_id(run))
    except (errors.NotAllowed, errors.RunNotFound) as error:
        return str(error)
    return None


def _all_dead(*, yes: bool) -> list[str]:
    with frame.services() as opened:
        runs = [str(line.id) for line in opened.runs.lines(statuses=[Status.DEAD], limit=MOST_DEAD)]
    if runs and not yes:
        if not sys.stdin.isatty():
            raise frame.Misused(f"{len(runs)} runs would be redriven; say --yes, since nobody can be asked here")
        typer.confirm(f"Redrive {len(runs)} runs?", abort=True, err=True)
    return runs


def _named(happened: str) -> str:
    if not happened.strip():
        raise frame.Misused("--happened needs the object's id")
    return happened.strip()
