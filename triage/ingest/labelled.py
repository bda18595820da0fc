"""Labelled reports out of CSV and JSONL: what people said that closed reports were."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from triage.ingest import csv_rows, json_rows
from triage.ingest.columns import Columns
from triage.ingest.rows import BadRow, Form, Row, UnreadableFile

SHOWN_COLUMNS = 30
LONGEST_LABEL = 200


@dataclass(frozen=True)
class LabelColumns(Columns):
    """`mapped` has the column of each of label, title, body and created, as far as the file has them."""

    def places(self, header: Sequence[str]) -> dict[str, int]:
        """The position of each column; raises `UnreadableFile` if one is missing or there twice."""
        for column in self.mapped.values():
            if (times := header.count(column)) != 1:
                listed = ", ".join(repr(name[:60]) for name in header[:SHOWN_COLUMNS])
                problem = "is there more than once" if times else "is not there"
                raise UnreadableFile(f"the column {column!r} {problem}; the columns are: {listed}")
        return {name: header.index(column) for name, column in self.mapped.items()}

    def rename(self, fields: Mapping[str, object]) -> dict[str, object]:
        """An object's fields under our names; what is null counts as not there."""
        return {name: fields[key] for name, key in self.mapped.items() if fields.get(key) is not None}


@dataclass(frozen=True, slots=True)
class ClosedReport:
    """One row: `labels` is empty where nobody gave one, `created` is None where it is not known."""

    labels: tuple[str, ...]
    title: str
    body: str
    created: datetime | None


class _Bad(Exception):
    """The field, and what is wrong with it."""


def read(stream: BinaryIO, form: Form, columns: LabelColumns) -> Iterator[ClosedReport | BadRow]:
    """Every row as a closed report, or as what is wrong with it.

    In CSV a cell is one label. In JSONL it is a text, or a list of texts or of objects with a `name`, as the APIs of
    trackers answer.

    Raises:
        UnreadableFile: no row can be read.
    """
    reader = csv_rows.read if form is Form.CSV else json_rows.read
    for row in reader(stream, columns):
        yield _report(row) if isinstance(row, Row) else row


def _report(row: Row) -> ClosedReport | BadRow:
    try:
        title, body, created = (_text(name, row.fields.get(name, "")) for name in ("title", "body", "created"))
        return ClosedReport(_labels(row.fields.get("label", "")), _title(title), body, _moment(created))
    except _Bad as bad:
        return BadRow(row.number, row.line, *bad.args)


def _labels(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    texts = [_text("label", one.get("name") if isinstance(one, dict) else one) for one in several]
    if any(len(text) > LONGEST_LABEL for text in texts):
        raise _Bad("label", f"is longer than {LONGEST_LABEL} characters")
    return tuple(text.strip() for text in texts if text.strip())


def _title(text: str) -> str:
    if not text.strip():
        raise _Bad("title", "is empty")
    return text


def _text(name: str, value: object) -> str:
    """What is not valid UTF-8 becomes a question mark: it teaches nothing, and the rest of the row does."""
    if not isinstance(value, str):
        raise _Bad(name, "is not a text")
    return value.encode(errors="replace").decode()


def _moment(text: str) -> datetime | None:
    """A time without a zone is in UTC."""
    if not text.strip():
        return None
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _Bad("created", f"{text[:40]!r} is not a time in ISO 8601") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
