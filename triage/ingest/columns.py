"""Which column becomes which field of a report."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from triage import errors
from triage.ingest.rows import BadRow, Row, UnreadableFile
from triage.model import Report

FIELDS = tuple(Report.model_fields)
REQUIRED = tuple(name for name, info in Report.model_fields.items() if info.is_required())
LABELS = "labels"
SHOWN_COLUMNS = 30
LONGEST_NAME = 100
"""Characters of an unknown field's name that are told."""

_UNDECODED = re.compile("[\udc80-\udcff]")


class InvalidMapping(errors.TriageError):
    """A `FIELD=COLUMN` or `FIELD=VALUE` cannot be used; the message names it."""


@dataclass(frozen=True)
class Columns:
    """`mapped` has the column of a field, `constants` the same value for every row.

    A field that is in neither has the column of its own name, if the file has that. Other columns are left out.
    """

    mapped: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, maps: Sequence[str], constants: Sequence[str]) -> Self:
        """From texts like `title=Summary` and `source=bugzilla`.

        Raises:
            InvalidMapping: not of that form, no field of a report, or the same field twice.
        """
        parsed = cls(_pairs(maps, "COLUMN"), _pairs(constants, "VALUE"))
        both = parsed.mapped.keys() & parsed.constants.keys()
        if both:
            raise InvalidMapping(f"{min(both)}: has both a column and a constant value")
        return parsed

    def places(self, header: Sequence[str]) -> dict[str, int]:
        """The position in a row of each field that comes from a column.

        Raises:
            UnreadableFile: a mapped column is missing or there twice, or a required field comes from nowhere.
        """
        wanted = {name: self.mapped.get(name, name) for name in FIELDS if name not in self.constants}
        places = {name: _place(name, column, header, name in self.mapped) for name, column in wanted.items()}
        found = {name: place for name, place in places.items() if place is not None}
        missing = [name for name in REQUIRED if name not in found and name not in self.constants]
        if missing:
            raise UnreadableFile(
                f"no column and no constant for {', '.join(missing)}; "
                f"map one (FIELD=COLUMN) out of: {_listed(header)}; or set one (FIELD=VALUE)"
            )
        return found

    def rename(self, fields: Mapping[str, object]) -> dict[str, object]:
        """An object's own fields under the report's names. With a mapping, keys that are no fields are left out."""
        if not self.mapped:
            return dict(fields)
        own = {name: fields[name] for name in FIELDS if name in fields and name not in self.mapped}
        return own | {name: _as_text(name, fields[key]) for name, key in self.mapped.items() if key in fields}

    def report(self, row: Row) -> Report | BadRow:
        """The row as a report, or the first field that breaks a bound."""
        fields = {**row.fields, **self.constants}
        if LABELS in self.constants or LABELS in self.mapped:
            fields[LABELS] = split_labels(fields.get(LABELS, ""))
        try:
            return Report.parse(fields)
        except errors.InvalidReport as error:
            return BadRow(row.number, row.line, error.field[:LONGEST_NAME], self._problem(error, fields))

    def _problem(self, error: errors.InvalidReport, fields: Mapping[str, object]) -> str:
        value = fields.get(error.field)
        undecoded = _UNDECODED.search(value) if isinstance(value, str) else None
        if undecoded:
            return f"byte 0x{ord(undecoded[0]) - 0xDC00:02X} at character {undecoded.start() + 1} is not valid UTF-8"
        if error.field in self.mapped and error.field not in fields:
            return f"the row has no {self.mapped[error.field]!r}"
        if isinstance(value, str) and not value.strip():
            return "is empty"
        return error.problem.removeprefix("Value error, ")


def split_labels(value: object) -> object:
    """Labels written in one text, separated by commas; what is no text is left as it is."""
    if not isinstance(value, str):
        return value
    return [label.strip() for label in value.split(",") if label.strip()]


def _pairs(texts: Sequence[str], kind: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise InvalidMapping(f"{text!r}: must be FIELD={kind}")
        if name not in FIELDS:
            raise InvalidMapping(f"{text!r}: {name!r} is no field of a report; there are: {', '.join(FIELDS)}")
        if name in pairs:
            raise InvalidMapping(f"{text!r}: {name} is given twice")
        pairs[name] = value
    return pairs


def _place(name: str, column: str, header: Sequence[str], mapped: bool) -> int | None:  # noqa: FBT001 - whether by the caller
    times = header.count(column)
    if times == 0 and not mapped:
        return None
    if times != 1:
        problem = "is there more than once" if times else "is not there"
        raise UnreadableFile(f"{name}: the column {column!r} {problem}; the columns are: {_listed(header)}")
    return header.index(column)


def _listed(header: Sequence[str]) -> str:
    more = ", …" if len(header) > SHOWN_COLUMNS else ""
    return ", ".join(repr(name[:60]) for name in header[:SHOWN_COLUMNS]) + more


def _as_text(name: str, value: object) -> object:
    """Other systems number their reports; such an id is taken as text."""
    return str(value) if name == "source_id" and type(value) is int else value
