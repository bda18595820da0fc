"""An evaluation as text: figures with their intervals, the confusion, and how far confidence can be believed."""

from collections.abc import Iterable, Iterator

import typer
from rich.table import Table
from rich.text import Text

from triage.cli import frame
from triage.cli.text import one_line
from triage.decide.learned.report import Evaluation

LABEL_WIDTH = 14
MOST_COLUMNS = 12
"""Classes that fit into a table; the JSON has them all."""


def tell(evaluation: Evaluation, title: str) -> None:
    """Print all of it."""
    typer.echo("")
    frame.output().print(Text(title, style="bold"))
    for line in _lines(evaluation):
        typer.echo(line)
    typer.echo("")
    if len(evaluation.confusion) <= MOST_COLUMNS:
        frame.output().print(_confusion(evaluation))
        typer.echo("")
    frame.output().print(_calibration(evaluation))


def _lines(found: Evaluation) -> Iterator[str]:
    yield f"reports             {found.cases}"
    yield f"accuracy            {found.accuracy:.3f}  ({_span(found.accuracy_interval)})"
    yield f"always the commonest {found.majority:.3f}"
    yield f"macro-F1            {found.macro_f1:.3f}  ({_span(found.macro_f1_interval)})"
    yield f"right in first two  {found.first_two:.3f}"
    yield f"Brier, ECE          {found.brier:.3f}, {found.ece:.3f}"
    yield from _at_target(found)


def _at_target(found: Evaluation) -> Iterator[str]:
    if found.threshold is None:
        yield f"target {found.target:g}: no confidence reaches it, so nothing would be decided"
        return
    yield f"threshold           {found.threshold:.3f}  (for the target {found.target:g})"
    yield f"coverage            {found.coverage or 0:.3f}"
    if found.accuracy_at_target is not None and found.accuracy_at_target_interval is not None:
        yield f"accuracy of those   {found.accuracy_at_target:.3f}  ({_span(found.accuracy_at_target_interval)})"


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def _confusion(found: Evaluation) -> Table:
    columns = list(next(iter(found.confusion.values())))
    table = _table(["people said ↓, opinion →", *columns])
    for truth, told in found.confusion.items():
        _row(table, [truth, *(str(told[column]) for column in columns)])
    return table


def _calibration(found: Evaluation) -> Table:
    table = _table(["confidence", "was right", "opinions"])
    for one in found.bins:
        _row(table, [f"{one.confidence:.3f}", f"{one.right:.3f}", str(one.cases)])
    return table


def _table(names: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for number, name in enumerate(names):
        table.add_column(Text(one_line(name, LABEL_WIDTH if number else 30)), justify="right" if number else "left")
    return table


def _row(table: Table, cells: Iterable[str]) -> None:
    table.add_row(*(Text(one_line(cell, 30)) for cell in cells))
