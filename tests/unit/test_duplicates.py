"""What a report repeats or may repeat: found by fingerprint or likeness, shown within bounds, never waited for."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import pytest

from tests.support import waiting
from tests.unit.labelled import reports
from triage import errors
from triage.decide.duplicates import Duplicates, DuplicateSettings, Found, prints_of
from triage.decide.recent import BATCH, WAIT, Recent, made_at
from triage.decide.repeats import is_telling
from triage.model import Prints, Related, Report
from triage.model.earlier import Earlier, Filed

TEXT = "Saving a document on a network drive fails with error 4711 while the disk is full"
LONG = Report(source="demo", source_id="1", title="Saving fails", body=TEXT)
SHORT = Report(source="demo", source_id="2", title="Login is broken", body="Please help!")
START = datetime(2026, 5, 4, tzinfo=UTC)
NOW = UUID(int=1 << 127)
"""An id later than all others."""


def run_id(number: int) -> UUID:
    """The id of a run that came in so many seconds after the start."""
    return UUID(int=(int(START.timestamp() + number) * 1_000) << 80)


def earlier(number: int, why: Literal["text", "trace", "similar"], likeness: float = 1.0, by: str = "rules") -> Earlier:
    """A ticket."""
    names = {"tool": "local-tracker", "target": "triage", "ticket": f"T-{number}", "title": f"Ticket {number}"}
    return Earlier(Related(run_id=run_id(number), likeness=likeness, why=why, **names), "It fails.", "feature", by, 0.9)


@dataclass
class Shelf:
    """A store with these tickets, as `store.tickets`; it remembers what it was asked."""

    found: Sequence[Earlier] = ()
    away: bool = False
    asked: list[tuple[Prints, dict[UUID, float]]] = field(default_factory=list)

    def earlier(self, run_id: UUID, prints: Prints, similar: dict[UUID, float]) -> list[Earlier]:
        """All of them."""
        assert run_id == NOW
        self.asked.append((prints, similar))
        if self.away:
            raise errors.StoreUnavailable("Postgres did not answer")
        return list(self.found)


@dataclass
class Alike:
    """An index in which these are like everything."""

    likeness: Sequence[float] = ()
    wanted: int = 0

    def search(self, report: Report, run_id: UUID, k: int) -> dict[UUID, float]:
        """All of them."""
        assert report and run_id == NOW
        self.wanted = k
        return {found(number): likeness for number, likeness in enumerate(self.likeness)}

    def close(self) -> None:
        """Nothing was opened."""


def found(number: int) -> UUID:
    """An id."""
    return run_id(number)


def find(report: Report, shelf: Shelf, alike: Alike | None = None, **settings: object) -> Found:
    """Look once."""
    return Duplicates(DuplicateSettings.model_validate(settings), shelf, alike or Alike()).find(report, NOW)


@pytest.mark.parametrize(
    ("title", "body", "tells"),
    [
        ("Login is broken", "Please help!", False),
        ("It does not work", "it does not work " * 50, False),
        ("1 2 3 4 5 6 7 8 9 10", "a b c d e f g h", False),
        ("Saving fails", TEXT, True),
        ("导出报告时程序崩溃", "点击按钮以后", True),
        ("", "", False),
    ],
)
def test_a_text_must_say_enough_to_be_recognised(title: str, body: str, *, tells: bool) -> None:
    """What many reports say has no fingerprint, however often it says it."""
    assert is_telling(title, body) is tells
    assert bool(prints_of(Report(source="demo", source_id="1", title=title or "-", body=body)).text) is tells


def test_a_short_report_is_linked_to_nothing() -> None:
    """Neither an equal nor a like text means anything if it is short, and nobody is asked for it."""
    shelf, alike = Shelf([earlier(1, "text")]), Alike([1.0])
    assert find(SHORT, shelf, alike) == Found(Prints())
    assert shelf.asked == [] and alike.wanted == 0


@pytest.mark.parametrize("why", ["text", "trace"])
@pytest.mark.parametrize("policy", ["show", "comment"])
def test_an_equal_report_is_shown_or_commented_by_policy(why: Literal["text", "trace"], policy: str) -> None:
    """Only the setting makes it a comment; shown it is in both cases, alone."""
    same = earlier(1, why)
    result = find(LONG, Shelf([same, earlier(2, "similar", 0.9)]), identical=policy)
    assert result.related == (same.ticket,) and result.candidates == ()
    assert result.same_as == (same.ticket if policy == "comment" else None)


def test_equal_reports_can_be_ignored() -> None:
    """Then no fingerprint is looked up, but each is kept all the same."""
    shelf = Shelf()
    assert find(LONG, shelf, Alike([0.5]), identical="ignore").prints == prints_of(LONG)
    assert shelf.asked == [(Prints(), {found(0): 0.5})]


@pytest.mark.parametrize(
    ("same", "kind"),
    [
        (earlier(1, "text"), "feature"),
        (earlier(1, "text", by="nobody"), None),
        (earlier(1, "trace"), None),
    ],
)
def test_only_an_equal_text_that_somebody_decided_gives_its_kind(same: Earlier, kind: str | None) -> None:
    """One failure may be a crash to one reporter and a question to another."""
    taken = find(LONG, Shelf([same])).kind
    assert (taken and taken.kind) == kind


def test_similar_tickets_are_shown_up_to_the_set_number() -> None:
    """What is hardly alike is not even looked up, and a model sees only what is uncertain."""
    shelf = Shelf([earlier(number, "similar", likeness) for number, likeness in enumerate((0.97, 0.5, 0.3, 0.25))])
    alike = Alike([0.97, 0.5, 0.3, 0.19])
    result = find(LONG, shelf, alike, similar=3)
    assert shelf.asked[0][1] == {found(0): 0.97, found(1): 0.5, found(2): 0.3}
    assert [one.ticket for one in result.related] == ["T-0", "T-1", "T-2"]
    assert [one.title for one in result.candidates] == ["Ticket 1", "Ticket 2"]
    assert result.worth_asking and result.same_as is None


@pytest.mark.parametrize(("likeness", "worth"), [(0.39, False), (0.4, True), (0.95, True), (0.96, False)])
def test_the_band_in_which_a_model_is_worth_its_money(likeness: float, *, worth: bool) -> None:
    """Below it hardly anything is the same, above it people see it at once."""
    assert find(LONG, Shelf([earlier(1, "similar", likeness)]), Alike([likeness])).worth_asking is worth


def test_similar_tickets_can_be_switched_off() -> None:
    """Then the index is not even asked."""
    alike = Alike([0.9])
    assert find(LONG, Shelf(), alike, similar=0).related == ()
    assert alike.wanted == 0


def test_a_store_in_trouble_is_left_alone() -> None:
    """The decision is made without it, and for a while the next ones do not ask at all."""
    looking, shelf = Duplicates(DuplicateSettings(), away := Shelf(away=True), Alike()), Shelf([earlier(1, "text")])
    assert [looking.find(LONG, NOW) for _ in range(20)] == [Found(prints_of(LONG))] * 20
    assert len(away.asked) == 1
    assert find(LONG, shelf).related


@dataclass
class Files:
    """Filed tickets as the store reads them; `pages` are what was asked."""

    filed_ones: list[Filed]
    pages: list[tuple[Filed | None, Filed | None]] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def filed(self, after: Filed | None, before: Filed | None, limit: int) -> list[Filed]:
        """The newest between two of them."""
        self.gate.wait()
        self.pages.append((after, before))
        if self.trouble:
            raise self.trouble.pop()
        first = after.filed_at if after else datetime.min.replace(tzinfo=UTC)
        last = before.filed_at if before else datetime.max.replace(tzinfo=UTC)
        known = [one for one in self.filed_ones if first < one.filed_at < last]
        return sorted(known, key=lambda one: one.filed_at, reverse=True)[:limit]


def ticket(number: int, title: str, body: str) -> Filed:
    """The ticket of a run that came in so many seconds after the start."""
    return Filed(run_id(number), START + timedelta(seconds=number), title, body)


TICKETS = [ticket(number, one.title, f"{one.body} {TEXT} {number}") for number, one in enumerate(reports(3 * BATCH))]


@pytest.fixture
def files() -> Files:
    """All of them, to be read at once."""
    files = Files(list(TICKETS))
    files.gate.set()
    return files


@pytest.fixture
def recent(files: Files) -> Iterator[Recent]:
    """Read them, once something is looked for."""
    recent = Recent(files, timedelta(days=30))
    yield recent
    files.gate.set()
    recent.close()


def like(recent: Recent, number: int, run: UUID = NOW) -> dict[UUID, float]:
    """Look for what is like one of the tickets."""
    one = TICKETS[number]
    return recent.search(Report(source="demo", source_id="9", title=one.title, body=one.body), run, 3)


def loaded(recent: Recent, number: int) -> None:
    """Search until so many tickets are there."""
    waiting.until(lambda: (like(recent, 0), len(recent) == number)[1], 20, lambda: f"{len(recent)} are there")


def test_the_newest_tickets_are_found_first(files: Files, recent: Recent) -> None:
    """All are read in pages from the newest to the oldest, each once."""
    loaded(recent, len(TICKETS))
    whole = [(after, before) for after, before in files.pages if after is None]
    assert whole[0] == (None, None) and len(whole) in {3, 4}  # the last one is empty
    befores = [before.filed_at for _, before in whole[1:] if before]
    assert befores == sorted(befores, reverse=True)
    assert all(next(iter(like(recent, number))) == TICKETS[number].run_id for number in (0, 1, BATCH, 2 * BATCH, -1))


def test_deciding_does_not_wait_for_the_index(files: Files, recent: Recent) -> None:
    """While nothing is read yet there are fewer candidates, and that at once."""
    files.gate.clear()
    began = time.monotonic()
    assert [like(recent, 0) for _ in range(3)] == [{}] * 3
    assert time.monotonic() - began < 2
    files.gate.set()
    loaded(recent, len(TICKETS))


def test_new_tickets_join_and_only_these_are_read(files: Files, recent: Recent) -> None:
    """A ticket filed later is found soon, without reading what is there again."""
    loaded(recent, len(TICKETS))
    new = ticket(10_000, "Printing on both sides of a page is upside down", "It is turned when the paper is long.")
    files.filed_ones.append(new)
    report = Report(source="demo", source_id="9", title=new.title, body=new.body)
    waiting.until(lambda: new.run_id in recent.search(report, NOW, 3), 10, lambda: str(files.pages[-3:]))
    assert files.pages[-1][0] in {TICKETS[-1], new}


def test_only_earlier_reports_are_found(recent: Recent) -> None:
    """Neither the report itself nor what came after it is like it."""
    loaded(recent, len(TICKETS))
    names = set(like(recent, 40, TICKETS[40].run_id))
    assert names and all(made_at(name) < made_at(TICKETS[40].run_id) for name in names)


def test_only_the_newest_are_kept(files: Files) -> None:
    """Beyond the most tickets, and beyond their age, the oldest are forgotten."""
    recent = Recent(files, timedelta(days=30), most=BATCH)
    loaded(recent, BATCH)
    files.filed_ones += [ticket(5_000 + number, f"{TEXT} {number}", TEXT) for number in range(BATCH)]
    waiting.until(
        lambda: (like(recent, 0), TICKETS[-1].run_id not in like(recent, -1))[1] and len(recent) <= BATCH * 1.1,
        20,
        lambda: f"{len(recent)} are there",
    )
    recent.close()


@pytest.mark.parametrize("trouble", [errors.StoreUnavailable("away"), ValueError("a bug")], ids=repr)
def test_trouble_while_reading_is_no_trouble_for_deciding(
    files: Files, recent: Recent, trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Searches find nothing, at once, until it is read again."""
    files.trouble.append(trouble)
    assert like(recent, 0) == {}
    waiting.until(lambda: not files.trouble, 10, lambda: "not read")
    began = time.monotonic()
    assert [like(recent, 0) for _ in range(10)] == [{}] * 10
    assert time.monotonic() - began < 8 * WAIT
    loaded(recent, len(TICKETS))
    caplog.clear()


def test_many_at_once_find_the_same(recent: Recent) -> None:
    """Threads share the index one after the other; each finds all, or nothing where it would have had to wait."""
    loaded(recent, len(TICKETS))
    expected = like(recent, 7)
    answers: list[dict[UUID, float]] = []
    threads = [threading.Thread(target=lambda: answers.append(like(recent, 7))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 32 and expected in answers
    assert all(answer in ({}, expected) for answer in answers)
