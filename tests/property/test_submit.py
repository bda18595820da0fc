"""The idempotency key is the same in Python and in SQL, and depends on nothing but what it should."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.support import databases
from triage.model import Report

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
awkward = st.sampled_from(
    [*map(chr, range(1, 33)), '"', "\\", "/", "\x7f", "\x80", "\u2028", "\ufeff", "\U0001f41e", "é"]
)
ids = st.text(characters | awkward, min_size=1, max_size=200).filter(str.strip)
reports = st.builds(
    Report, source=names, source_id=ids, kind=names, title=st.just("It broke"), body=st.text(characters, max_size=50)
)


@pytest.fixture(scope="module")
def connection(template: str) -> Iterator[psycopg.Connection]:
    """One connection for all examples; nothing is ever committed."""
    with databases.copied(template) as url, psycopg.connect(databases.plain(url)) as connection:
        yield connection
        connection.close()


@settings(deadline=None, max_examples=300)
@given(report=reports)
def test_python_and_sql_compute_the_same_key(connection: psycopg.Connection, report: Report) -> None:
    """For every report that is valid, with every character, both give the same 32 bytes."""
    given_ = [report.source, report.source_id, report.kind]
    row = connection.execute("select triage_key(%s, %s, %s)", given_).fetchone()
    assert row == (report.key,)


@settings(deadline=None, max_examples=100)
@given(report=reports)
def test_a_submission_in_sql_is_kept_under_that_key(connection: psycopg.Connection, report: Report) -> None:
    """What is submitted in SQL as JSON comes back unchanged, under the key that Python computes."""
    with connection.transaction(force_rollback=True):
        connection.execute("select triage_submit(%s)", [Jsonb(report.model_dump(mode="json"))])
        row = connection.execute("select key, content from run join report on run_id = id").fetchone()
    assert row is not None
    assert row[0] == report.key
    assert Report.parse(row[1]) == report


@given(reports, reports)
def test_the_key_is_the_identity(one: Report, two: Report) -> None:
    """Two reports have the same key exactly when source, id and kind are the same, whatever else they say."""
    same = (one.source, one.source_id, one.kind) == (two.source, two.source_id, two.kind)
    assert (one.key == two.key) == same
    told_differently = two.model_copy(update={"source": one.source, "source_id": one.source_id, "kind": one.kind})
    assert told_differently.key == one.key
