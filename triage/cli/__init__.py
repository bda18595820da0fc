"""The command `triage`. Results go to standard output, progress and errors to standard error.

Only what every command needs is imported here: the rest is imported by the command that needs it, so that `--help` and
shell completion answer at once.
"""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated

import typer

from triage.cli import (
    act,
    alerts,
    approvals,
    candidates,
    console,
    correct,
    demo,
    evaluate,
    explain,
    frame,
    guard,
    holds,
    learn,
    look,
    metrics,
    models,
    replay,
    rules,
    servers,
    setup,
    slo,
    spending,
    submit,
    tools,
    webhooks,
)

app = typer.Typer(
    name="triage",
    help="Bug reports in, exactly one ticket and one notice out.",
    epilog=frame.EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

REPORTS, DECIDING, REPAIR, DOOR, INSTALLATION = "Reports", "Deciding", "Repair", "The guarded door", "Installation"


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's signature
    if wanted:
        typer.echo(f"triage {metadata.version('triage')}")
        raise typer.Exit


@app.callback()
def _global(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Bug reports in, exactly one ticket and one notice out."""


app.command(rich_help_panel=REPORTS, epilog=frame.EXIT_CODES)(submit.submit)
app.command(rich_help_panel=REPORTS)(look.show)
app.command(rich_help_panel=REPORTS)(explain.explain)
app.command("list", rich_help_panel=REPORTS)(look.list_runs)
app.command(rich_help_panel=REPORTS, epilog=frame.EXIT_CODES)(look.wait)
app.command(rich_help_panel=DECIDING)(learn.learn)
app.command("eval", rich_help_panel=DECIDING)(evaluate.evaluate)
app.command(rich_help_panel=DECIDING, epilog=frame.EXIT_CODES)(replay.replay)
app.command(rich_help_panel=DECIDING)(candidates.candidates)
app.add_typer(models.app, name="models", rich_help_panel=DECIDING)
app.command(rich_help_panel=DECIDING)(correct.correct)
app.command(rich_help_panel=DECIDING)(correct.corrections)
app.add_typer(rules.app, name="rules", rich_help_panel=DECIDING)
app.command(rich_help_panel=DECIDING)(spending.spending)
app.command(rich_help_panel=DECIDING)(spending.budgets)
app.command(rich_help_panel=REPAIR)(act.retry)
app.command(rich_help_panel=REPAIR)(act.cancel)
app.command(rich_help_panel=REPAIR)(act.redrive)
app.command(rich_help_panel=REPAIR)(act.resolve)
app.command(rich_help_panel=REPAIR)(act.fork)
app.add_typer(approvals.app, name="approvals", rich_help_panel=DOOR)
app.add_typer(holds.app, name="holds", rich_help_panel=DOOR)
app.add_typer(tools.app, name="tools", rich_help_panel=DOOR)
app.add_typer(guard.app, name="guard", rich_help_panel=DOOR)
app.command(rich_help_panel=INSTALLATION)(demo.demo)
app.command(rich_help_panel=INSTALLATION)(console.console)
app.command(rich_help_panel=INSTALLATION)(setup.doctor)
app.command(rich_help_panel=INSTALLATION)(metrics.metrics)
app.command(rich_help_panel=INSTALLATION)(slo.slo)
app.add_typer(alerts.app, name="alerts", rich_help_panel=INSTALLATION)
app.command(rich_help_panel=INSTALLATION)(webhooks.webhooks)
app.command(rich_help_panel=INSTALLATION)(setup.migrate)
app.add_typer(servers.app, name="local", rich_help_panel=INSTALLATION)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with frame.errors_told(as_json="--json" in given) as ended:
        code = app(given, prog_name="triage", standalone_mode=False)
        ended.code = code if isinstance(code, int) else 0
    return ended.code
