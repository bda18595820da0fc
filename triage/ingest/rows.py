"""The words of reading files: a row, what is wrong with one, and the bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from triage import errors

LONGEST_RECORD = 4_000_000
"""Characters of one record, over all its lines; a report with every field at its bound is well below."""


class Form(StrEnum):
    """How a file holds its rows."""

    CSV = "csv"
    JSONL = "jsonl"


class UnreadableFile(errors.TriageError):
    """No row of the file can be used as asked; nothing was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one report as the file has them, under the report's own names; not validated yet.

    `number` counts rows as a spreadsheet does, the header being row 1 (in JSONL it is the line); `line` is the line of
    the file where the row begins.
    """

    number: int
    line: int
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no report. `row` and `line` are as in `Row`; `field` is `row` where the whole of it is broken."""

    row: int
    line: int
    field: str
    problem: str
