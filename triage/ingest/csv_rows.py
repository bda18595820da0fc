"""Rows out of CSV, also when one of them is broken.

A quote that is never closed swallows the rows after it, up to the next quote or the end of the file. So the lines of
the record at hand are kept, and reading goes on with the line after the one where a broken record began.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from triage.ingest.columns import LABELS, REQUIRED, Columns, split_labels
from triage.ingest.rows import LONGEST_RECORD, BadRow, Row, UnreadableFile

DELIMITERS = ",;\t"


class _TooLong(Exception):
    """The record at hand has no end within the bound."""


def read(stream: BinaryIO, columns: Columns) -> Iterator[Row | BadRow]:
    """Every row after the header.

    Raises:
        UnreadableFile: there is no header, or it lacks a column.
    """
    # What is not UTF-8 is kept as marks in its field, so that it breaks one row and not the file.
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        yield from _read(text, columns)
    finally:
        text.detach()  # the stream stays the caller's to close


def _read(text: io.TextIOWrapper, columns: Columns) -> Iterator[Row | BadRow]:
    records = _Records(text)
    header = next(records, None)
    if not isinstance(header, _Record):
        raise UnreadableFile("the file is empty" if header is None else f"the header: {header.problem}")
    places = columns.places([name.strip() for name in header.values])
    for record in records:
        yield _row(record, places, len(header.values)) if isinstance(record, _Record) else record


def _row(record: "_Record", places: Mapping[str, int], width: int) -> Row | BadRow:
    if len(record.values) != width:
        problem = f"has {_columns(len(record.values))}, the header has {width}" + record.extent
        return BadRow(record.number, record.line, "row", problem)
    fields: dict[str, object] = {name: record.values[place] for name, place in places.items()}
    # An empty cell means that nothing was said, so the field's default holds.
    given = {name: value for name, value in fields.items() if value != "" or name in REQUIRED}
    if LABELS in given:
        given[LABELS] = split_labels(given[LABELS])
    return Row(record.number, record.line, given)


def _columns(count: int) -> str:
    return f"{count} column" + ("s" if count != 1 else "")


class _Record:
    """One record that could be read; `extent` tells of its lines if it has several."""

    def __init__(self, number: int, line: int, last: int, values: Sequence[str]) -> None:
        self.number, self.line, self.values = number, line, values
        self.extent = f" (it runs over the lines {line} to {last})" if last > line else ""


class _Records(Iterator[_Record | BadRow]):
    """Records and what is broken, in order; empty lines are left out, but counted."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_RECORD))  # `_Lines` keeps the bound
        self._lines = _Lines(text)
        self._reader = csv.reader(self._lines, delimiter=_delimiter(self._lines.peek()), strict=True)
        self._number = 0

    def __next__(self) -> _Record | BadRow:
        while True:
            line = self._lines.begin()
            self._number += 1
            try:
                values = next(self._reader)
            except (csv.Error, _TooLong) as error:
                self._lines.go_back()
                return BadRow(self._number, line, "row", _problem(error))
            if values:
                return _Record(self._number, line, self._lines.number, values)


def _problem(error: Exception) -> str:
    if isinstance(error, _TooLong):
        return f"has no end within {LONGEST_RECORD} characters; is a quote not closed?"
    if "unexpected end" in str(error):
        return "a quote is opened and never closed"
    return f"the quotes do not match: {error}"


def _delimiter(header: str) -> str:
    """The one that the header has most of; a comma when in doubt."""
    return max(DELIMITERS, key=header.count)


class _Lines(Iterator[str]):
    """The lines of a file, of which the last record's can be gone back to; `number` is that of the last line given."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._length = 0
        self.number = 0

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._fresh()
        if not line:
            raise StopIteration
        self.number += 1
        self._taken.append(line)
        self._length += len(line)
        if self._length > LONGEST_RECORD:
            self._skip_rest(line)
            raise _TooLong
        return line

    def peek(self) -> str:
        """The next line, which stays the next one."""
        self._again.appendleft(self._again.popleft() if self._again else self._fresh())
        return self._again[0]

    def begin(self) -> int:
        """Forget the record before; the number of the line where the next one begins."""
        self._taken.clear()
        self._length = 0
        return self.number + 1

    def go_back(self) -> None:
        """Give the lines after the record's first one again."""
        again = self._taken[1:]
        self._again.extendleft(reversed(again))
        self.number -= len(again)

    def _fresh(self) -> str:
        return self._text.readline(LONGEST_RECORD + 1)

    def _skip_rest(self, line: str) -> None:
        """The end of a line of which only the beginning was taken."""
        while len(line) > LONGEST_RECORD and not line.endswith(("\n", "\r")):
            line = self._fresh()
