"""What all commands share: exit codes, errors in one line, JSON, consoles, and the way to the state."""

import getpass
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from triage import errors
from triage.cli.text import plain

if TYPE_CHECKING:
    from uuid import UUID

    from triage.bootstrap import Services
    from triage.client import Client

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
RunId: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]
RunIds: TypeAlias = Annotated[list[str], typer.Argument(metavar="RUN...", help="The runs' ids.")]
RunIdsOrNone: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="RUN...", help="The runs' ids.")]

PIPED_WIDTH = 200
"""Columns of a table that goes into a file or another program."""


class Code(IntEnum):
    """Exit codes; scripts may rely on them."""

    FINE = 0
    NOT_ALL_WELL = 1
    USAGE = 2
    UNAVAILABLE = 3
    NOT_FINISHED = 4
    INTERRUPTED = 130


EXIT_CODES = (
    "Exit codes: [bold]0[/] all went well · [bold]1[/] a row was bad, a run did not end well, or it was refused · "
    "[bold]2[/] wrong use or wrong settings · [bold]3[/] Postgres is away: try again later · "
    "[bold]4[/] not finished in time · [bold]130[/] interrupted."
)


_WRONG_USE = {"CannotLearn", "InvalidCorrection", "InvalidMapping", "InvalidSetting", "Misused", "UnreadableFile"}


class Misused(errors.TriageError):
    """The options do not go together; the message says which."""


@dataclass
class Ended:
    """How the command ended."""

    code: int = Code.FINE


@contextmanager
def errors_told(*, as_json: bool) -> Iterator[Ended]:
    """Turn every expected error into one line on standard error, and an exit code."""
    logging.getLogger("triage").addHandler(logging.NullHandler())  # what matters comes as an error
    ended = Ended()
    try:
        yield ended
    except KeyboardInterrupt:
        ended.code = Code.INTERRUPTED
    except typer.Abort:
        ended.code = Code.NOT_ALL_WELL
    except Exception as error:  # noqa: BLE001 - what is not expected is raised again
        text, code = _explain(error)
        _tell(error, text, code, as_json=as_json)
        ended.code = code


def _explain(error: Exception) -> tuple[str, int]:
    """The error in words and its exit code; what is not expected is raised again."""
    if isinstance(error, typer.TyperException):
        return _usage(error), error.exit_code
    if isinstance(error, errors.TriageError):
        return str(error), _code(error)
    return _explain_rarer(error)


def _explain_rarer(error: Exception) -> tuple[str, int]:
    from sqlalchemy import exc  # noqa: PLC0415 - start-up speed

    from triage.local import LocalError  # noqa: PLC0415 - start-up speed

    if isinstance(error, LocalError):
        return str(error), Code.UNAVAILABLE
    if isinstance(error, exc.ProgrammingError):
        return "the database does not have the tables that this version needs; run `triage migrate`", Code.USAGE
    raise error


def _code(error: errors.TriageError) -> int:
    if isinstance(error, TimeoutError):
        return Code.NOT_FINISHED
    if error.retryable:
        return Code.UNAVAILABLE
    return Code.USAGE if type(error).__name__ in _WRONG_USE else Code.NOT_ALL_WELL


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    hint = f" (see `{context.command_path} --help`)" if context else ""
    return error.format_message() + hint


def _tell(error: Exception, text: str, code: int, *, as_json: bool) -> None:
    if as_json:
        retryable = code in {Code.UNAVAILABLE, Code.NOT_FINISHED}
        document = {"error": text, "type": type(error).__name__, "code": int(code), "retryable": retryable}
        typer.echo(json.dumps(document), err=True)
    else:
        typer.echo(f"error: {plain(text)}", err=True)


def show_json(document: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Print the one document on standard output."""
    typer.echo(json.dumps(document, indent=2 if sys.stdout.isatty() else None))


def output() -> Console:
    """Standard output, wide enough for tables that nobody looks at in a terminal."""
    wide = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(width=wide, highlight=False, soft_wrap=False)


def note(text: str) -> None:
    """Tell something that is not a result, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(plain(text)), style="dim")


def progress(*, as_json: bool, counted: bool = True) -> Progress:
    """A bar on standard error, if that is a terminal and nobody asked for JSON; `counted` shows "3/40", else "8%"."""
    far = MofNCompleteColumn() if counted else TaskProgressColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), far, TimeElapsedColumn())
    hidden = as_json or not sys.stderr.isatty()
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden)


@contextmanager
def services() -> "Iterator[Services]":
    """The state and everything else that the settings name, until the command ends."""
    from triage import bootstrap, config  # noqa: PLC0415 - start-up speed

    opened = bootstrap.Services(config.load())
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def client() -> "Iterator[tuple[Services, Client]]":
    """As `services`, with a client on them."""
    from triage.client import Client  # noqa: PLC0415 - start-up speed

    with services() as opened, Client(services=opened) as connected:
        yield opened, connected


def run_id(text: str) -> "UUID":
    """A run's id as it was typed; raises RunNotFound for what is none."""
    from triage.client import as_id  # noqa: PLC0415 - start-up speed

    return as_id(text)


def seconds(value: float) -> timedelta:
    """An option in seconds as a duration."""
    return timedelta(seconds=value)


def who() -> str:
    """Who does it, for the runs' events."""
    with suppress(OSError, KeyError):  # an account without a name, as some containers use
        return getpass.getuser()
    return f"uid {os.getuid()}"
