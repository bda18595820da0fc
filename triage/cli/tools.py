"""The commands `tools list|disable|enable|breaker|sweep|events`: the switches of everything that leaves."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame, kinds
from triage.cli.text import moment, one_line, plain
from triage.story import words

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.store.tool_box import ToolView

app = typer.Typer(no_args_is_help=True, help="The tools: what state they are in, and their switches.")

app.command("kinds")(kinds.kinds)

ALL = "*"
ToolName: TypeAlias = Annotated[str, typer.Argument(metavar="TOOL", help="Its name, as `tools list` tells it.")]
EachTool: TypeAlias = Annotated[bool, typer.Option("--all", help="Every tool.")]
ToolOrNone: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="TOOL", help="Its name, as `tools list` tells it.")
]
Why: TypeAlias = Annotated[str, typer.Option(help="Why; it is shown to whoever asks.")]


@app.command("list")
def list_tools(*, as_json: frame.AsJson = False) -> None:
    """List the tools with their switch, their circuit breaker, and the last error.

    Example: [bold]triage tools list[/]
    """
    with frame.services() as opened:
        found = opened.tool_box(frame.who()).views(_names(opened))
        duplicates = opened.tool_box(frame.who()).duplicates()
    if as_json:
        documents = [one.model_dump(mode="json") for one in duplicates]
        frame.show_json({"tools": [one.model_dump(mode="json") for one in found], "duplicates": documents})
        return
    frame.output().print(_table(found))
    for one in duplicates:
        objects = ", ".join(one.remote_ids)
        typer.echo(plain(f"duplicate: {one.tool} has {objects} with one key, found {moment(one.found_at)}"))


@app.command()
def disable(tool: ToolOrNone = None, *, every: EachTool = False, why: Why = "", as_json: frame.AsJson = False) -> None:
    """Put a tool out of service, in every worker within a second. Runs that need it wait; nothing is lost.

    Examples: [bold]triage tools disable slack-notifier --why "wrong channel"[/] · [bold]triage tools disable --all[/]
    """
    with frame.services() as opened:
        name = _chosen(opened, tool, every=every)
        opened.tool_box(frame.who()).disable(name, why)
    _say({"tool": name, "enabled": False}, f"{_named(name)} is out of service", as_json=as_json)


@app.command()
def enable(tool: ToolOrNone = None, *, every: EachTool = False, why: Why = "", as_json: frame.AsJson = False) -> None:
    """Put a tool back in service; the runs that waited for it go on at once.

    Example: [bold]triage tools enable slack-notifier[/]
    """
    with frame.services() as opened:
        name = _chosen(opened, tool, every=every)
        woken = opened.tool_box(frame.who()).enable(name, why)
    told = f"{_named(name)} is back in service; {woken} waiting runs are looked at now"
    _say({"tool": name, "enabled": True, "woken": woken}, told, as_json=as_json)


@app.command()
def breaker(tool: ToolName, *, as_json: frame.AsJson = False) -> None:
    """Close a tool's circuit breaker before it has cooled down.

    Example: [bold]triage tools breaker jira-cloud-tracker[/]
    """
    with frame.services() as opened:
        opened.tool_box(frame.who()).close_breaker(_chosen(opened, tool, every=False))
    _say({"tool": tool, "breaker": "closed"}, f"the breaker of {tool} is closed", as_json=as_json)


@app.command()
def events(*, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50, as_json: frame.AsJson = False) -> None:
    """Tell who switched what, and when breakers opened and closed; newest first.

    Example: [bold]triage tools events --limit 10[/]
    """
    with frame.services() as opened:
        found = opened.tool_box(frame.who()).events(limit)
    if as_json:
        frame.show_json([one.model_dump(mode="json") for one in found])
        return
    for one in found:
        by, why = one.detail.get("by") or "the workers", one.detail.get("why") or one.detail.get("error") or ""
        typer.echo(plain(f"{moment(one.at)}  {_named(one.tool)} {one.what} by {by}" + (f": {why}" if why else "")))


@app.command()
def sweep(
    *,
    days: Annotated[int, typer.Option(min=1, max=90, help="How far to look back.")] = 1,
    as_json: frame.AsJson = False,
) -> None:
    """Look now for two objects with one key, as a worker does every hour; exit code 1 if there are any.

    Example: [bold]triage tools sweep --days 7[/]
    """
    from triage import rounds  # noqa: PLC0415 - start-up speed

    with frame.services() as opened:
        news = rounds.sweep(opened.toolset.bare, opened.shared, timedelta(days=days))
        found = opened.tool_box(frame.who()).duplicates()
    _say({"new": news, "known": len(found)}, f"{news} new duplicates, {len(found)} known", as_json=as_json)
    raise typer.Exit(frame.Code.NOT_ALL_WELL if found else frame.Code.FINE)


def _names(opened: "Services") -> list[str]:
    return [tool.spec.name for tool in opened.toolset.bare.values()]


def _chosen(opened: "Services", tool: str | None, *, every: bool) -> str:
    if (tool is None) != every:
        raise frame.Misused("name one tool, or say --all")
    known = {*_names(opened), *(view.tool for view in opened.tool_box(frame.who()).views(()))}
    if tool is not None and tool not in known:
        raise frame.Misused(f"there is no tool {tool}; there are: {', '.join(sorted(known))}")
    return tool or ALL


def _named(tool: str) -> str:
    return "everything" if tool == ALL else tool


def _say(document: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        frame.show_json(document)
    else:
        typer.echo(text)


def _table(found: "list[ToolView]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("tool", "switch", "breaker", "failures in a row", "last error"):
        shown.add_column(name)
    for one in found:
        switch = Text(plain(f"off {one.switched_off}"), style="red") if one.switched_off else Text("on", style="green")
        error = one_line(one.last_error, 60) if one.failures else ""
        shown.add_row(Text(_named(one.tool)), switch, _breaker(one), str(one.failures), Text(error))
    return shown


def _breaker(one: "ToolView") -> Text:
    if one.open_for:
        return Text(f"open for {words.took(one.open_for)}", style="red")
    return Text("half open: one call at a time", style="yellow") if one.tripped else Text("closed", style="green")
