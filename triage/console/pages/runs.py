"""The Runs page: found by anything, filters in the address, page by page, live."""

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.console import filters
from triage.console.desk import desk, page, with_query
from triage.store.search import COUNTED, Search, TooWide

PAGE = 50


def runs(request: Request) -> Response:
    """One page of runs, newest first."""
    asked = filters.read(request.query_params)
    search = Search(desk(request).services.database)
    try:
        shown = _found(request, search, asked)
    except TooWide as error:
        shown = {"rows": [], "older": "", "looked_back_to": None, "counted": None, "trouble": str(error)}
    return page(request, "runs.html", asked=asked, choices=filters.CHOICES, most=COUNTED, **_links(asked), **shown)


def _found(request: Request, search: Search, asked: filters.Asked) -> dict[str, Any]:
    way = search.way(asked.filter)
    found = search.page(way, asked.before, PAGE)
    lines = desk(request).services.runs.lines(ids=found.ids, limit=PAGE) if found.ids else []
    titles, costs = (search.titles(found.ids), search.costs(found.ids)) if found.ids else ({}, {})
    rows = [{"line": line, "title": titles.get(line.id, ""), "cost": costs.get(line.id, 0)} for line in lines]
    older = with_query("/runs", {**asked.query, "before": filters.cursor_text(found.older)}) if found.older else ""
    counted = search.count(way) if not asked.before else None
    return {
        "rows": rows,
        "older": older,
        "looked_back_to": found.looked_back_to,
        "counted": counted,
        "trouble": "",
    }


def _links(asked: filters.Asked) -> dict[str, Any]:
    """`newest` leads to the first page; `query` is the filter, for what is done to all that match."""
    return {"newest": with_query("/runs", asked.query), "query": urlencode(asked.query, doseq=True)}


ROUTES = [Route("/runs", runs)]
