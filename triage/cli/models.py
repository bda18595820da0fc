"""The commands `models list|show|use|rollback|history|export|remove`: what was learned, and which of it decides."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from triage import errors
from triage.cli import frame
from triage.cli.text import moment, one_line, plain
from triage.model import Json

if TYPE_CHECKING:
    from triage.store.models import ModelView, UseView

app = typer.Typer(no_args_is_help=True, help="What was learned, and which of it decides.")

LONGEST_WHY = 1_000
NONE = "none of the stored models"
SHOWN = ("labels", "accuracy", "macro_f1", "coverage", "accuracy_at_target")
"""Of the numbers of a cross-validation, those that are told first."""

Version: TypeAlias = Annotated[str, typer.Argument(metavar="VERSION", help="The model's version, as `list` tells it.")]
Why: TypeAlias = Annotated[str, typer.Option(help="Why; it is kept in the history.")]


@app.command("list")
def list_models(*, as_json: frame.AsJson = False) -> None:
    """List the stored models, the newest first; the one in use has a star.

    Example: [bold]triage models list[/]
    """
    with frame.services() as opened:
        found = opened.models.all()
        _note_file(opened.settings.learned)
    if as_json:
        frame.show_json([one.model_dump(mode="json") for one in found])
    else:
        frame.output().print(_table(found) if found else Text("no model is stored; `triage learn --save` stores one"))


@app.command("show")
def show_model(version: Version, *, as_json: frame.AsJson = False) -> None:
    """Show what training said of a model: how many labels, how often it is right, from which confidence on it decides.

    Example: [bold]triage models show learned-0123456789ab[/]
    """
    with frame.services() as opened:
        found = opened.models.get(version)
    if as_json:
        frame.show_json(found.model_dump(mode="json"))
        return
    for line in _facts(found):
        typer.echo(plain(line))


@app.command()
def use(version: Version, *, why: Why = "", as_json: frame.AsJson = False) -> None:
    """Let all workers decide with a stored model from now on; they follow within some seconds.

    Example: [bold]triage models use learned-0123456789ab --why "learned from the third quarter too"[/]
    """
    with frame.services() as opened:
        changed = opened.models.use(version, by=frame.who(), why=_bounded(why))
        _note_file(opened.settings.learned)
    _tell(version, as_json=as_json, changed=changed)


@app.command()
def rollback(*, why: Why = "", as_json: frame.AsJson = False) -> None:
    """Use again what was in use before the present model. Once more goes one further back.

    Example: [bold]triage models rollback --why "takes questions for bugs"[/]
    """
    with frame.services() as opened:
        version = opened.models.roll_back(by=frame.who(), why=_bounded(why))
        _note_file(opened.settings.learned)
    _tell(version, as_json=as_json, changed=True)


@app.command()
def history(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: frame.AsJson = False,
) -> None:
    """Tell which model was in use when, who said so, and why, the latest first.

    Example: [bold]triage models history[/]
    """
    with frame.services() as opened:
        found = opened.models.history(limit)
    if as_json:
        frame.show_json([one.model_dump(mode="json") for one in found])
        return
    for one in found:
        typer.echo(plain(_told(one)))


@app.command()
def export(
    version: Version,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; must not be there yet.")],
    *,
    as_json: frame.AsJson = False,
) -> None:
    """Write a stored model into a file, as for the setting `learned` on a machine without this database.

    It holds words of the reports, so it is as confidential as they are.

    Example: [bold]triage models export learned-0123456789ab ours.model[/]
    """
    with frame.services() as opened:
        content = opened.models.content(version)
    try:
        with file.open("xb") as out:
            out.write(content)
    except OSError as error:
        raise errors.InvalidSetting(f"{file}: cannot be written: {error.strerror or error}") from None
    if as_json:
        frame.show_json({"version": version, "file": str(file), "bytes": len(content)})
    else:
        typer.echo(f"{version} written to {file}: {len(content):,} bytes")


@app.command()
def remove(
    version: Version,
    *,
    why: Why = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: frame.AsJson = False,
) -> None:
    """Delete a stored model that is not in use, for good; the history keeps its name.

    Example: [bold]triage models remove learned-0123456789ab[/]
    """
    with frame.services() as opened:
        found = opened.models.get(version)
        if not yes:
            _ask(found)
        opened.models.remove(version, by=frame.who(), why=_bounded(why))
    if as_json:
        frame.show_json({"version": version, "removed": True})
    else:
        typer.echo(f"{version} is removed")


def _ask(found: "ModelView") -> None:
    if not sys.stdin.isatty():
        raise frame.Misused(f"{found.version} would be deleted for good; say --yes, since nobody can be asked here")
    typer.confirm(f"Delete {found.version} of {moment(found.made_at)} for good?", abort=True, err=True)


def _bounded(why: str) -> str:
    if len(why) > LONGEST_WHY or "\x00" in why:
        raise frame.Misused(f"--why: up to {LONGEST_WHY} characters, none of them NUL")
    return why


def _note_file(file: Path | None) -> None:
    if file is not None:
        frame.note(f"the setting learned names {file}, which decides here instead of any stored model")


def _tell(version: str | None, *, as_json: bool, changed: bool) -> None:
    if as_json:
        frame.show_json({"in_use": version, "changed": changed})
    else:
        typer.echo(f"{version or NONE} is in use" + (" from now on" if changed else " already"))


def _told(one: "UseView") -> str:
    went = {"used": "in use", "rolled back": "rolled back to", "removed": "removed"}[one.what]
    why = f": {one.why}" if one.why else ""
    return f"{one.number:>4}  {moment(one.at)}  {went} {one.version or NONE}, by {one.by_whom}{why}"


def _table(found: "list[ModelView]") -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("", "version", "made", "by", "labels", "corrections", "accuracy", "coverage", "kB"):
        shown.add_column(name, no_wrap=True)
    for one in found:
        crossed = _crossed(one)
        figures = (
            crossed.get("labels"),
            one.numbers.get("corrections"),
            crossed.get("accuracy"),
            crossed.get("coverage"),
        )
        told = (one.version, moment(one.made_at), one_line(one.made_by, 20), *(_figure(figure) for figure in figures))
        cells = ("*" if one.in_use else "", *told, f"{one.size / 1_000:,.0f}")
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    return shown


def _facts(one: "ModelView") -> list[str]:
    numbers, crossed = one.numbers, _crossed(one)
    classes = ", ".join(str(name) for name in numbers.get("classes", ()))
    return [
        f"{one.version}{', in use' if one.in_use else ''}",
        f"made {moment(one.made_at)} by {one.made_by}; {one.size:,} bytes, {numbers.get('words')} words and phrases",
        f"decides between {classes}",
        f"from the confidence {_figure(numbers.get('threshold'))} on, for the target {_figure(numbers.get('target'))}",
        *(f"{name.replace('_', ' ')}: {_figure(crossed.get(name))}" for name in SHOWN),
        f"of the labels, corrections by people: {_figure(numbers.get('corrections'))}",
    ]


def _crossed(one: "ModelView") -> Json:
    found = one.numbers.get("cross_validation")
    return found if isinstance(found, dict) else {}


def _figure(number: object) -> str:
    if number is None:
        return "–"
    return f"{number:.3f}" if isinstance(number, float) else str(number)
