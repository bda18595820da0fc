"""Reports out of files: every kind of bad row is told with its number and field, and the good ones go on."""

import io
import json
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from triage.ingest import BadRow, Columns, Form, UnreadableFile, guess_form, read
from triage.ingest.columns import InvalidMapping
from triage.ingest.rows import LONGEST_RECORD
from triage.model import Report

HEADER = "source,source_id,title,body,labels,priority,kind\n"
GOOD = {"source": "crm", "source_id": "1", "title": "It broke"}
PLAIN = Columns()


def rows(data: bytes | str, form: Form = Form.CSV, columns: Columns = PLAIN) -> list[Report | BadRow]:
    """Read everything."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return list(read(stream, form, columns))


def told(found: Sequence[Report | BadRow]) -> list[tuple[int, str, str]]:
    """What was told of the bad rows: number, field, problem."""
    return [(row.row, row.field, row.problem) for row in found if isinstance(row, BadRow)]


def ids(found: Sequence[Report | BadRow]) -> list[str]:
    """The reports that were read, by their ids."""
    return [row.source_id for row in found if isinstance(row, Report)]


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("crm,2,,,,,\n", "title", "is empty"),
        ("crm,2,   ,,,,\n", "title", "is empty"),
        ("crm,,t,,,,\n", "source_id", "is empty"),
        (",2,t,,,,\n", "source", "is empty"),
        ("C R M,2,t,,,,\n", "source", "should match pattern"),
        (f"crm,2,{'x' * 501},,,,\n", "title", "at most 500"),
        (f"crm,2,t,{'x' * 100_001},,,\n", "body", "at most 100000"),
        (f"crm,{'9' * 201},t,,,,\n", "source_id", "at most 200"),
        ("crm,2,t,,,ten,\n", "priority", "integer"),
        ("crm,2,t,,,10,\n", "priority", "less than or equal to 9"),
        (f'crm,2,t,,"{",".join("abcdefghijklmnopqrstu")}",,\n', "labels", "at most 20"),
        ("crm,2,t\x00,,,,\n", "title", "NUL"),
        ("crm,2,t,,,,BUG!\n", "kind", "should match pattern"),
        ("crm,2\n", "row", "has 2 columns, the header has 7"),
        ("crm,2,t,,,,,,\n", "row", "has 9 columns, the header has 7"),
        ('crm,2,"t" and more,,,,\n', "row", "quotes do not match"),
        ('crm,2,"never closed,,,,\n', "row", "never closed"),
    ],
)
def test_a_bad_csv_row_is_told_and_the_others_go_on(line: str, field: str, problem: str) -> None:
    """Each kind of bad CSV row is told with its number and field, and the rows before and after it are read."""
    found = rows(HEADER + "crm,1,first,,,,\n" + line + "crm,3,last,,,,\n")
    [(number, told_field, told_problem)] = told(found)
    assert (number, told_field) == (3, field)
    assert problem in told_problem
    assert ids(found) == ["1", "3"]


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("{", "row", "is not JSON"),
        ("not json", "row", "is not JSON"),
        ('["a"]', "row", "not a JSON object, but an array"),
        ('"text"', "row", "not a JSON object, but a text"),
        ("17", "row", "not a JSON object, but a number"),
        ("null", "row", "not a JSON object, but null"),
        ("true", "row", "not a JSON object, but a truth value"),
        ("[" * 100_000, "row", "nested too deeply"),
        ('{"priority": ' + "9" * 5_000 + "}", "row", "too long a number"),
        (json.dumps({**GOOD, "colour": "red"}), "colour", "Extra inputs"),
        (json.dumps({**GOOD, "title": 5}), "title", "valid string"),
        (json.dumps({**GOOD, "title": None}), "title", "valid string"),
        (json.dumps({**GOOD, "title": ""}), "title", "is empty"),
        (json.dumps({**GOOD, "labels": "a,b"}), "labels", "valid tuple"),
        (json.dumps({**GOOD, "labels": [1]}), "labels.0", "valid string"),
        (json.dumps({**GOOD, "body": "\x00"}), "body", "NUL"),
        (json.dumps({**GOOD, "body": "\ud800"}), "body", "surrogate"),
        (json.dumps({**GOOD, "priority": float("nan")}), "priority", "finite number"),
        (json.dumps({"source": "crm", "source_id": "1"}), "title", "required"),
        ('{"\\ud800": 1}', "report", "unicode"),
        ("{}", "source", "required"),
    ],
)
def test_a_bad_json_line_is_told_and_the_others_go_on(line: str, field: str, problem: str) -> None:
    """Each kind of bad JSON line is told with its number and field, and the lines before and after it are read."""
    good = [json.dumps({**GOOD, "source_id": number}) for number in ("1", "3")]
    found = rows(f"{good[0]}\n{line}\n{good[1]}\n", Form.JSONL)
    [(number, told_field, told_problem)] = told(found)
    assert (number, told_field) == (2, field)
    assert problem in told_problem
    assert ids(found) == ["1", "3"]


def test_a_mark_at_the_beginning_is_no_part_of_the_first_row() -> None:
    """UTF-8 files of other programs begin with a byte order mark, in CSV and in JSONL."""
    mark = b"\xef\xbb\xbf"
    assert ids(rows(mark + b"source,source_id,title\ncrm,1,t\n")) == ["1"]
    assert ids(rows(mark + json.dumps(GOOD).encode(), Form.JSONL)) == ["1"]


def test_bytes_of_another_encoding_break_only_their_row() -> None:
    """A Latin-1 letter is told with its byte and field, and the rows around it are read."""
    found = rows(b"source,source_id,title\ncrm,1,caf\xc3\xa9\ncrm,2,caf\xe9\ncrm,3,t\n")
    assert told(found) == [(3, "title", "byte 0xE9 at character 4 is not valid UTF-8")]
    assert ids(found) == ["1", "3"]
    [one] = told(rows(b'{"title": "caf\xe9"}\n', Form.JSONL))
    assert one == (1, "row", "byte 0xE9 at byte 15 is not valid UTF-8")


def test_an_undecodable_column_that_nobody_asked_for_does_no_harm() -> None:
    """Only the columns that become fields must be valid text."""
    assert ids(rows(b"source,source_id,title,notes\ncrm,1,t,\xe9\n")) == ["1"]


def test_other_files_are_refused_at_once() -> None:
    """UTF-16, an empty file and a JSON array get one clear error instead of one for each row."""
    for beginning, problem in ((b"\xff\xfes\x00", "UTF-16"), (b"  [{", "JSON array")):
        with pytest.raises(UnreadableFile, match=problem):
            guess_form("-", beginning)
    with pytest.raises(UnreadableFile, match="empty"):
        rows("")


@pytest.mark.parametrize(
    ("name", "beginning", "form"),
    [
        ("bugs.csv", b"{", Form.CSV),
        ("bugs.JSONL", b"a,b", Form.JSONL),
        ("bugs.ndjson", b"", Form.JSONL),
        ("-", b'\xef\xbb\xbf {"a"', Form.JSONL),
        ("-", b"source,title", Form.CSV),
        ("-", b"", Form.CSV),
    ],
)
def test_the_form_is_known_by_the_name_or_the_beginning(name: str, beginning: bytes, form: Form) -> None:
    """The ending of the name decides, and where there is none, the first characters do."""
    assert guess_form(name, beginning) is form


def test_columns_and_constants_become_fields() -> None:
    """Mapped columns, constants and columns named like fields are put together; all others are left out."""
    columns = Columns.parse(["title=Summary", "labels=Tags"], ["source=bugzilla"])
    [report] = rows('Summary,source_id,Tags,Status\nIt broke,7,"ui, , login ",NEW\n', Form.CSV, columns)
    assert report == Report(source="bugzilla", source_id="7", title="It broke", labels=("ui", "login"))
    line = json.dumps({"Summary": "It broke", "source_id": "7", "Tags": "ui,login", "Status": "NEW"})
    assert rows(line, Form.JSONL, columns) == [report]


def test_a_constant_wins_over_the_row() -> None:
    """A constant holds for every row, whatever the row says."""
    columns = Columns.parse([], ["source=other", "labels=a,b"])
    [report] = rows(json.dumps({**GOOD, "labels": ["c"]}), Form.JSONL, columns)
    assert isinstance(report, Report)
    assert (report.source, report.labels) == ("other", ("a", "b"))


def test_a_number_may_be_the_id_of_a_mapped_row() -> None:
    """Other systems number their reports, so a mapped id may be a number; without a mapping it is a wrong type."""
    line = json.dumps({"number": 7, "title": "t", "source": "github"})
    assert ids(rows(line, Form.JSONL, Columns.parse(["source_id=number"], []))) == ["7"]
    assert told(rows(json.dumps({**GOOD, "source_id": 7}), Form.JSONL))[0][1] == "source_id"


def test_a_mapped_key_that_a_json_row_lacks_is_named() -> None:
    """The error names the key of the file, not only the field that it should have become."""
    found = rows('{"a": 1}', Form.JSONL, Columns.parse(["title=Summary"], ["source=crm", "source_id=1"]))
    assert told(found) == [(1, "title", "the row has no 'Summary'")]


@pytest.mark.parametrize(
    ("header", "maps", "problem"),
    [
        ("source,source_id,title", ["title=Summary"], "title: the column 'Summary' is not there"),
        ("source,source_id,S,S", ["title=S"], "title: the column 'S' is there more than once"),
        ("source,Summary", [], "no column and no constant for source_id, title"),
    ],
)
def test_a_mapping_that_does_not_fit_the_header_is_one_error(header: str, maps: list[str], problem: str) -> None:
    """A missing column is told once, before any row, with the columns that there are."""
    with pytest.raises(UnreadableFile, match=problem):
        rows(f"{header}\n" + "a,b,c\n" * 10, Form.CSV, Columns.parse(maps, []))


@pytest.mark.parametrize(
    ("maps", "constants", "problem"),
    [
        (["title"], [], "must be FIELD=COLUMN"),
        (["titel=Summary"], [], "no field of a report"),
        (["title=a", "title=b"], [], "twice"),
        (["title=a"], ["title=b"], "both a column and a constant"),
        ([], ["source="], "must be FIELD=VALUE"),
    ],
)
def test_a_wrong_mapping_is_refused(maps: list[str], constants: list[str], problem: str) -> None:
    """A mapping that cannot be meant is refused with its own text."""
    with pytest.raises(InvalidMapping, match=problem):
        Columns.parse(maps, constants)


def test_a_semicolon_or_a_tab_may_separate_columns() -> None:
    """Spreadsheets of some countries write semicolons."""
    assert ids(rows("source;source_id;title\ncrm;1;a, b\n")) == ["1"]
    assert ids(rows("source\tsource_id\ttitle\ncrm\t1\ta, b\n")) == ["1"]


def test_line_ends_of_every_system_and_empty_lines_are_understood() -> None:
    """Rows are numbered as a spreadsheet numbers them, empty lines included."""
    for end in ("\n", "\r\n", "\r"):
        found = rows(end.join(["source,source_id,title", "crm,1,t", "", "crm,2,", "crm,3,t"]))
        assert (ids(found), told(found)) == (["1", "3"], [(4, "title", "is empty")])


def test_a_field_over_several_lines_stays_one_row() -> None:
    """The number counts rows, and the line says where in the file the row begins."""
    found = rows('source,source_id,title,body\ncrm,1,t,"a\nb\nc"\ncrm,2,,\n')
    assert ids(found) == ["1"]
    assert isinstance(found[0], Report)
    assert found[0].body == "a\nb\nc"
    assert found[1] == BadRow(row=3, line=5, field="title", problem="is empty")


def test_quotes_that_are_never_closed_cost_only_their_rows() -> None:
    """Rows that an open quote would swallow are found again, however many such quotes there are."""
    lines = [f'crm,{n},"open\n' if n % 100 == 50 else f'crm,{n},"closed, ""so""\nhere"\n' for n in range(1_000)]
    found = rows("source,source_id,title\n" + "".join(lines))
    assert len(told(found)) >= 10
    assert ids(found) == [str(n) for n in range(1_000) if n % 100 != 50]


def test_a_record_without_end_is_bounded() -> None:
    """A line longer than the bound is one bad row in both forms, and reading goes on behind it."""
    huge = "x" * (2 * LONGEST_RECORD + 10)
    found = rows(f"source,source_id,title\ncrm,1,{huge}\ncrm,2,t\n")
    assert ([row[:2] for row in told(found)], ids(found)) == ([(2, "row")], ["2"])
    found = rows(f'{{"title": "{huge}"}}\n{json.dumps(GOOD)}\n', Form.JSONL)
    assert ([row[:2] for row in told(found)], ids(found)) == ([(1, "row")], ["1"])


def test_a_limit_ends_the_reading() -> None:
    """No more than the given number of rows is read, bad ones included."""
    stream = io.BytesIO(b"source,source_id,title\ncrm,1,t\ncrm,2,\ncrm,3,t\n")
    assert len(list(read(stream, Form.CSV, PLAIN, limit=2))) == 2


def _broken(number: int) -> bytes:
    kinds = [b"crm,%d,\n", b"crm,%d\n", b'crm,%d,"open\n', b"crm,%d,\xff\n", b"crm,%d,\x00\n"]
    return kinds[number // 100 % len(kinds)] % number


def _many(count: int) -> bytes:
    """Rows of which every hundredth is broken, in five different ways."""
    lines = (_broken(n) if n % 100 == 99 else b'crm,%d,"Row %d, quoted"\n' % (n, n) for n in range(count))
    return b"source,source_id,title\n" + b"".join(lines)


def test_a_hundred_thousand_rows_with_broken_ones_are_read_in_seconds(tmp_path: Path) -> None:
    """All good rows of a large file are read, all broken ones told, in a few seconds."""
    path = tmp_path / "many.csv"
    path.write_bytes(_many(100_000))
    began = time.monotonic()
    with path.open("rb") as stream:
        found = [row.source_id if isinstance(row, Report) else None for row in read(stream, Form.CSV, PLAIN)]
    assert time.monotonic() - began < 8
    assert [int(found_id) for found_id in found if found_id] == [n for n in range(100_000) if n % 100 != 99]
    assert found.count(None) == 1_000


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A file of several megabytes is read within half a megabyte."""
    path = tmp_path / "many.csv"
    path.write_bytes(_many(100_000))
    tracemalloc.start()
    with path.open("rb") as stream:
        count = sum(1 for _ in read(stream, Form.CSV, PLAIN))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert path.stat().st_size > 2_000_000
    assert peak < 500_000
