"""The console's pure parts: the waterfall's axis, reasons without what varies, filters, words."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from triage.console import filters, words
from triage.console.desk import local_path
from triage.console.gate import host_of
from triage.console.waterfall import Bar, laid_out
from triage.store.needs import fingerprint
from triage.store.search import Cursor

BEGAN = datetime(2026, 11, 17, 15, 47, tzinfo=UTC)


def bar(start: float, end: float) -> Bar:
    """Something from so many seconds to so many."""
    return Bar("attempt", "x", BEGAN + timedelta(seconds=start), BEGAN + timedelta(seconds=end), "finished", "x")


def test_work_is_true_to_scale_and_waits_are_cut() -> None:
    """Two bars keep their proportion though a week lies between them, and the week is told."""
    fall = laid_out([bar(0, 1), bar(604_801, 604_804)], BEGAN)
    first, second = fall.lanes
    assert second.width / first.width == pytest.approx(3, rel=0.01)
    assert [gap.length for gap in fall.gaps] == [timedelta(days=7)]
    assert fall.gaps[0].width < 10
    assert first.x == 0 and second.x + second.width == pytest.approx(100)


@given(st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 1e5)), min_size=1, max_size=40))
def test_every_bar_stays_on_the_axis_in_its_order(spans: list[tuple[float, float]]) -> None:
    """Whatever overlaps or lies apart, nothing leaves the picture, and what began earlier is not further right."""
    bars = sorted((bar(start, start + length) for start, length in spans), key=lambda one: one.start)
    fall = laid_out(bars, BEGAN)
    assert all(lane.x >= 0 and lane.width > 0 and lane.x + lane.width <= 100.5 for lane in fall.lanes)
    places = [lane.x for lane in fall.lanes]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("422 for 'a' in PROJ-1 after 1.5 s", "422 for 'b \"c\"' in PROJ-22 after 17 s"),
        ("no answer from https://a.example/1?x=2", "no answer from http://b.example/"),
        (f"there is no run {UUID(int=1)}", f"there is no run {UUID(int=2**127)}"),
        ("key 0123456789abcdef  is\nknown", "key fedcba9876543210 is known"),
    ],
)
def test_reasons_that_differ_in_names_only_are_one(one: str, other: str) -> None:
    """Numbers, ids, addresses and quoted names do not tell two reasons apart."""
    assert fingerprint(one) == fingerprint(other)


def test_reasons_that_differ_stay_apart() -> None:
    """The status code and the words do, and a hostile or endless reason is only cut."""
    assert fingerprint("refused: 403 Forbidden") != fingerprint("refused: 404 Not Found")
    assert "404" in fingerprint("refused: 404: no such project 12")
    assert fingerprint("a refused") != fingerprint("b refused")
    assert len(fingerprint("\x00aaa\x00" * 5_000)) <= 300


def test_an_address_says_the_same_again() -> None:
    """What was understood is written back so that the same is asked for; a cursor survives it to the microsecond."""
    asked = filters.read(QueryParams("q=export&status=dead&status=held&since=24h&cost=0.05&kind=bug"))
    assert asked.wrong == ()
    assert asked.query["status"] == ["dead", "held"]
    assert (asked.filter.words, asked.filter.cost, asked.filter.kind) == ("export", 50_000, "bug")
    at = Cursor(datetime(2026, 11, 17, 15, 47, 3, 123457, tzinfo=UTC), UUID(int=7))
    assert filters.cursor(filters.cursor_text(at)) == at


def test_one_box_knows_ids_and_addresses() -> None:
    """A run's id and an address are not looked for as words."""
    assert filters.read(QueryParams(f"q={UUID(int=5)}")).filter.run_id == UUID(int=5)
    assert filters.read(QueryParams("q=https://bugs.example/17")).filter.ticket == "https://bugs.example/17"


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "", "runs", "/a\r\nb"])
def test_the_way_back_stays_here(to: str) -> None:
    """No form can send a visitor to another host."""
    assert local_path(to) == "/"


def test_the_way_back_keeps_its_query() -> None:
    """A path of ours is kept as it is."""
    assert local_path("/runs?q=a%20b&status=dead") == "/runs?q=a%20b&status=dead"


@pytest.mark.parametrize(
    ("header", "host"),
    [("LOCALHOST:80", "localhost"), ("[::1]:1", "::1"), ("[", ""), ("a@localhost", ""), ("localhost/x", "")],
)
def test_a_host_is_its_name_alone(header: str, host: str) -> None:
    """Ports and case do not matter; nonsense is no name."""
    assert host_of(header) == host


def test_words_for_people() -> None:
    """Money as exact as it matters, durations short, numbers with thousands apart."""
    assert [words.dollars(micro) for micro in (None, 0, 1_830, 500_000, 12_345_678)] == [
        "$0", "$0", "$0.00183", "$0.5", "$12.35",
    ]  # fmt: skip
    assert [words.duration(seconds) for seconds in (0.0123, 1.234, 75, 600, 7_200, 864_000)] == [
        "12 ms", "1.23 s", "75 s", "10 min", "2 h", "10 d",
    ]  # fmt: skip
    assert words.number(1234567) == "1 234 567"
