"""Finding runs where words are common, filters have no index, and tickets are told by id or address."""

from uuid import UUID

import pytest

from tests.support.databases import query, value
from triage.model import Status
from triage.store.database import Database
from triage.store.search import COUNTED, TEXT_WINDOW, WINDOW, Filter, Found, Search

MANY = TEXT_WINDOW + 500
RUNS = """
    insert into run (id, key, source, source_id, report_kind, created_at)
    select md5('run' || n)::uuid, sha256(('k' || n)::bytea), 'web', 's-' || n, 'bug', now() - n * interval '1 minute'
    from generate_series(1, %s) as n"""
REPORTS = """
    insert into report (run_id, content)
    select id, jsonb_build_object('source', source, 'source_id', source_id, 'title',
        case source_id when 's-3' then 'A rare bird is common' when %s then 'The oldest rare, common bird'
        else 'Something common' end)
    from run"""


@pytest.fixture
def search(database: Database) -> Search:
    """Search among more runs than one look at titles goes through."""
    query(database, RUNS, MANY)
    query(database, REPORTS, f"s-{MANY}")
    query(database, "analyze")
    return Search(database)


def ids(database: Database, *source_ids: str) -> list[UUID]:
    """The runs' ids by their source ids, in the given order."""
    return [value(database, "select id from run where source_id = %s", one) for one in source_ids]


def pages(search: Search, wanted: Filter) -> list[Found]:
    """Every page to the end."""
    way = search.way(wanted)
    found = [search.page(way)]
    while found[-1].older:
        found.append(search.page(way, found[-1].older))
    return found


def test_rare_words_come_from_the_index(search: Search, database: Database) -> None:
    """Words that few reports have are found however old these are, all of them in one look."""
    way = search.way(Filter(words="rare bir"))
    assert way.window == 0
    assert search.page(way).ids == ids(database, "s-3", f"s-{MANY}")
    assert search.count(way) == 2
    assert search.page(search.way(Filter(words="rare", source="web", source_id="S-3"))).ids == ids(database, "s-3")
    assert search.page(search.way(Filter(words="bird fish"))).ids == []
    assert search.page(search.way(Filter(words="ird"))).ids == []


def test_common_words_are_met_among_the_newest(search: Search, database: Database) -> None:
    """A word of nearly all reports fills a page from the newest on, and is counted as more than a page shows."""
    way = search.way(Filter(words="common"))
    assert way.window == TEXT_WINDOW
    assert search.page(way, size=3).ids == ids(database, "s-1", "s-2", "s-3")
    assert search.count(way) == COUNTED + 1


def test_a_look_that_ends_says_where_and_goes_on_there(search: Search, database: Database) -> None:
    """A common word with a filter that nothing recent passes ends, says how far it looked, and goes on to the rest."""
    (oldest,) = ids(database, f"s-{MANY}")
    query(database, "insert into decision values (%s, 'crash', 'low', 'rules', '{}')", oldest)
    first, second = pages(search, Filter(words="common", kind="crash"))
    assert (first.ids, second.ids) == ([], [oldest])
    assert first.looked_back_to == value(
        database, "select created_at from run where source_id = %s", f"s-{TEXT_WINDOW}"
    )
    assert second.older is None
    (only,) = pages(search, Filter(kind="crash"))
    assert MANY < WINDOW and only.ids == [oldest] and only.looked_back_to is None


def test_few_of_a_status_are_found_however_old(search: Search, database: Database) -> None:
    """What gave up long ago is found among all that is done since, also with a common word."""
    (oldest,) = ids(database, f"s-{MANY}")
    query(database, "update run set status = 'dead', reason = 'x' where id = %s", oldest)
    for wanted in (Filter(statuses=(Status.DEAD,)), Filter(statuses=(Status.DEAD,), words="common", source="web")):
        assert search.page(search.way(wanted)).ids == [oldest]


@pytest.mark.parametrize("named", ["BUG-17", "https://bugs.example/17"])
def test_tickets_are_found_by_id_and_by_address(search: Search, database: Database, named: str) -> None:
    """A ticket leads to its run, both before and after its blocks were summarised; other filters still hold."""
    (run_id,) = ids(database, "s-7")
    query(
        database,
        "insert into effect (key, run_id, stage, tool, target, tool_class, timeout, quarantine, content, state,"
        " remote_id, remote_url) values (sha256('e'), %s, 'create_ticket', 't', 'p', 'blind', '1 s', '1 s', '{}',"
        " 'confirmed', 'BUG-17', 'https://bugs.example/17')",
        run_id,
    )
    for _ in range(2):
        assert search.page(search.way(Filter(ticket=named))).ids == [run_id]
        assert search.page(search.way(Filter(ticket=named, source="other"))).ids == []
        assert search.page(search.way(Filter(ticket=named + "0"))).ids == []
        query(database, "select brin_summarize_new_values('effect_remote')")
