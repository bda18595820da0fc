"""Reports out of CSV and JSONL, row by row: a broken row is told with its number and field, and the good ones go on.

    columns = Columns.parse(["title=Summary", "source_id=Issue id"], ["source=bugzilla"])
    for item in read(stream, Form.CSV, columns):
        ...  # a Report, or a BadRow

Memory stays the same for any number of rows: every line, field and record has a bound.
"""

import itertools
from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from triage.ingest import csv_rows, json_rows
from triage.ingest.columns import Columns
from triage.ingest.rows import BadRow, Form, Row, UnreadableFile
from triage.model import Report

__all__ = ["BadRow", "Columns", "Form", "UnreadableFile", "guess_form", "read"]

_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_ENDINGS = {".csv": Form.CSV, ".tsv": Form.CSV, ".jsonl": Form.JSONL, ".ndjson": Form.JSONL}


def read(stream: BinaryIO, form: Form, columns: Columns, limit: int | None = None) -> Iterator[Report | BadRow]:
    """Every row of the stream as a report, or as what is wrong with it; at most `limit` rows.

    Raises:
        UnreadableFile: no row can be read, such as a header without a column that is mapped, or no UTF-8 text at all.
    """
    reader = csv_rows.read if form is Form.CSV else json_rows.read
    for row in itertools.islice(reader(stream, columns), limit):
        yield columns.report(row) if isinstance(row, Row) else row


def guess_form(name: str, beginning: bytes) -> Form:
    """The form of a file by its name's ending, or else by how it begins.

    Raises:
        UnreadableFile: UTF-16 text, or a JSON array, which cannot be read row by row.
    """
    if beginning.startswith(_UTF_16_MARKS):
        raise UnreadableFile("the file is UTF-16, not UTF-8; convert it, for example: iconv -f UTF-16 -t UTF-8")
    known = _ENDINGS.get(PurePath(name).suffix.lower())
    if known is not None:
        return known
    text = beginning.removeprefix(_UTF_8_MARK).lstrip()
    if text.startswith(b"["):
        raise UnreadableFile("the file is a JSON array; send one object a line, for example with: jq -c '.[]'")
    return Form.JSONL if text.startswith(b"{") else Form.CSV
