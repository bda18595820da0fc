"""The search for similar tickets: it ranks as TF-IDF cosine does, and forgets what was taken out."""

import functools
from datetime import UTC, datetime, timedelta
from math import log, sqrt

import numpy as np
import pytest

from tests.unit.labelled import START, reports
from triage.decide.learned import features
from triage.decide.postings import Part, hashed, merged
from triage.decide.similar import Index, New, counted

LATER = datetime(2040, 1, 1, tzinfo=UTC)
TEXTS = {str(number): (report.title, report.body) for number, report in enumerate(reports(200))}


def filled(index: Index | None = None) -> Index:
    """Tickets a day apart."""
    index = Index() if index is None else index
    for number, (ticket, (title, body)) in enumerate(TEXTS.items()):
        index.add(ticket, title, body, START + timedelta(days=number))
    return index


def by_definition(title: str, body: str, texts: dict[str, tuple[str, str]] = TEXTS) -> dict[str, float]:
    """The cosine with every ticket, word by word."""
    counted = {ticket: features.weights(features.words(*text)) for ticket, text in texts.items()}
    question = features.weights(features.words(title, body))

    def rarity(word: str) -> float:
        return log((1 + len(texts)) / (1 + sum(word in words for words in counted.values()))) + 1

    idf = {word: rarity(word) for words in (*counted.values(), question) for word in words}

    def length(words: dict[str, float]) -> float:
        return sqrt(sum((weight * idf[word]) ** 2 for word, weight in words.items()))

    def cosine(words: dict[str, float]) -> float:
        product = sum(weight * question.get(word, 0) * idf[word] ** 2 for word, weight in words.items())
        return product / length(words) / length(question)

    return {ticket: cosine(words) for ticket, words in counted.items()}


def test_it_ranks_by_cosine() -> None:
    """The first ones are those with the highest cosine by definition, though lengths are computed now and then only."""
    index = filled()
    for ticket in ("3", "77", "150"):
        expected = by_definition(*TEXTS[ticket])
        found = index.search(*TEXTS[ticket], exclude=frozenset({ticket}))
        best = sorted((cosine for other, cosine in expected.items() if other != ticket), reverse=True)
        assert len(found) == 5
        assert [cosine for _, cosine in found] == pytest.approx(best[:5], abs=0.03)
        for other, cosine in found:
            assert cosine == pytest.approx(expected[other], abs=0.03)


def test_few_words_find_and_all_words_rank() -> None:
    """With fewer words to find candidates, these still have their whole cosine."""
    whole = dict(filled().search(*TEXTS["3"], k=200))
    found = filled(index=Index(telling=4, candidates=20)).search(*TEXTS["3"])
    assert found[0] == ("3", pytest.approx(1.0, abs=0.03))
    assert found == [(ticket, pytest.approx(whole[ticket], abs=1e-4)) for ticket, _ in found]


def test_only_earlier_ones_and_not_those_excluded() -> None:
    """What was created at that time or later is not found, and what is excluded is not."""
    index = filled()
    assert index.search(*TEXTS["50"])[0][0] == "50"
    before = index.search(*TEXTS["50"], before=START + timedelta(days=50), k=200)
    assert before and all(int(ticket) < 50 for ticket, _ in before)
    without = index.search(*TEXTS["50"], exclude=frozenset({"50", "7", "never there"}), k=200)
    assert {"50", "7"}.isdisjoint(ticket for ticket, _ in without)


def test_what_is_removed_is_not_found() -> None:
    """A removed ticket is gone, removing it again is nothing, and it can come back."""
    index = filled()
    index.remove("50")
    index.remove("50")
    assert len(index) == 199
    assert "50" not in dict(index.search(*TEXTS["50"], k=200))
    index.add("50", *TEXTS["50"], created=START)
    assert index.search(*TEXTS["50"])[0][0] == "50"


def test_a_changed_ticket_is_found_by_its_new_words() -> None:
    """Adding an id again replaces its text and time."""
    index = filled()
    index.add("50", "zebra quagga okapi", "", LATER)
    assert len(index) == 200
    assert [ticket for ticket, _ in index.search("quagga", "")] == ["50"]
    assert index.search("quagga", "", before=LATER) == []
    assert "50" not in dict(index.search(*TEXTS["50"], k=200))


def test_many_at_once_are_as_many_one_by_one() -> None:
    """Tickets that are put in together are found as if each had come alone."""
    together = Index()
    together.add_all(
        [New(name, counted(*text), START + timedelta(days=number)) for number, (name, text) in enumerate(TEXTS.items())]
    )
    single = filled()
    for ticket in ("3", "77", "150"):
        found, expected = together.search(*TEXTS[ticket]), single.search(*TEXTS[ticket])
        assert found[0][0] == expected[0][0] == ticket
        assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=0.03)


def test_words_that_most_tickets_have_find_nothing() -> None:
    """What every report of a form says makes none of them alike; a rare word does."""
    index = Index()
    form = "steps to reproduce expected result actual result"
    index.add_all([New(str(number), counted(f"word{number}", form), START) for number in range(1_200)])
    assert index.search("", form) == []
    assert [ticket for ticket, _ in index.search("word77", form)][:1] == ["77"]


def test_a_long_life_does_not_grow_it() -> None:
    """Tickets that come and go leave the index about as large as what is in it."""
    index, fresh = filled(), filled()
    for number in range(3_000):
        index.add(f"new {number}", f"passing {number}", "", LATER)
        index.remove(f"new {number}")
    assert len(index) == len(fresh)
    assert index.size < fresh.size + 60_000
    found, expected = index.search(*TEXTS["3"], k=3), fresh.search(*TEXTS["3"], k=3)
    assert [ticket for ticket, _ in found] == [ticket for ticket, _ in expected]
    assert index.search("passing 2999", "", k=3) == []


def test_nothing_to_find() -> None:
    """An empty index, a text without words, or one whose words are nowhere finds nothing."""
    assert Index().search("crash", "") == []
    index = filled()
    assert index.search("!!!", "???") == []
    assert index.search("quagga", "") == []
    index.add("blank", "!!!", "", LATER)
    assert index.search(*TEXTS["3"], k=0) == []
    assert len(index) == 201


def test_scores_of_some_are_scores_of_all() -> None:
    """Looking up some documents adds the same as looking up all, also those beyond a word's last document."""
    draw = np.random.default_rng(5)
    parts = [Part.of(slot, [hashed({f"w{word}": 1.5 for word in draw.choice(30, 4)})]) for slot in range(60)]
    whole = functools.reduce(merged, parts)
    keys, _ = hashed({f"w{word}": 1.0 for word in range(35)})
    factors = draw.random(len(keys)).astype(np.float32)
    all_scores = np.zeros(61, np.float32)
    whole.add_scores(all_scores, keys, factors)
    for chosen in (np.arange(61, dtype=np.int32), np.array([3, 17, 59, 60], np.int32), np.empty(0, np.int32)):
        scores = np.zeros(len(chosen), np.float32)
        whole.add_scores_of(chosen, scores, keys, factors)
        np.testing.assert_allclose(scores, all_scores[chosen], rtol=1e-5)
    apart = np.zeros(61, np.float32)
    for part in parts:
        part.add_scores(apart, keys, factors)
    np.testing.assert_allclose(apart, all_scores, rtol=1e-5)


def test_parts_stay_few() -> None:
    """However many tickets there are, a search looks at few parts."""
    assert len(filled()._parts) <= 8
