"""Rows out of JSONL: one JSON object a line."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from triage.ingest.columns import Columns
from triage.ingest.rows import LONGEST_RECORD, BadRow, Row

_MARK = b"\xef\xbb\xbf"


class _NotAnObject(Exception):
    """What is wrong with the line as a whole."""


def read(stream: BinaryIO, columns: Columns) -> Iterator[Row | BadRow]:
    """Every line that is not empty."""
    number = 0
    while line := stream.readline(LONGEST_RECORD + 1):
        number += 1
        text = line.removeprefix(_MARK) if number == 1 else line
        if len(line) > LONGEST_RECORD:
            _skip_rest(stream, line)
            yield BadRow(number, number, "row", f"is longer than {LONGEST_RECORD} bytes")
        elif text.strip():
            yield _row(text, number, columns)


def _row(line: bytes, number: int, columns: Columns) -> Row | BadRow:
    try:
        return Row(number, number, columns.rename(_parse(line)))
    except _NotAnObject as error:
        return BadRow(number, number, "row", str(error))


def _parse(line: bytes) -> dict[str, object]:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError as error:
        problem = f"byte 0x{line[error.start]:02X} at byte {error.start + 1} is not valid UTF-8"
        raise _NotAnObject(problem) from None
    except json.JSONDecodeError as error:
        raise _NotAnObject(f"is not JSON: {error.msg} (column {error.colno})") from None
    except (ValueError, RecursionError):  # a number with thousands of digits; nested without end
        raise _NotAnObject("is not JSON that can be read: too long a number, or nested too deeply") from None
    if not isinstance(found, dict):
        raise _NotAnObject(f"is not a JSON object, but {_kind(found)}")
    return found


def _kind(value: object) -> str:
    names = {list: "an array", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _skip_rest(stream: BinaryIO, line: bytes) -> None:
    """Leave out the end of a line of which only the beginning was taken."""
    while line and not line.endswith(b"\n"):
        line = stream.readline(LONGEST_RECORD)
