"""The Overview: how things stand, how they went, what fires, and who is needed."""

from contextlib import suppress
from datetime import timedelta
from socket import create_connection
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.alerts.standing import Standing, standings
from triage.bootstrap import Services
from triage.console import graphs
from triage.console.desk import desk, page
from triage.console.firing import firing
from triage.console.gate import LOOPBACK
from triage.console.graphs import RANGES, Range
from triage.console.kept import Kept
from triage.store.overview import Now, Series

FLOWER = ("127.0.0.1", 5555)
"""Where `make up` serves it."""
FLOWER_LOGIN = "flower-login"
_JUDGED: Kept[tuple[Standing, ...]] = Kept()


def overview(request: Request) -> Response:
    """All of it on one page."""
    services, chosen = desk(request).services, RANGES.get(request.query_params.get("range", ""), RANGES["1h"])
    limits = services.settings.llm.budgets.limits if services.settings.llm else None
    now = services.overview.now(limits.day if limits else None, limits.month if limits else None)
    judged = _JUDGED.get("", lambda: standings(services.overview, services.settings.objectives, now.at))
    series = services.overview.series(now.at - chosen.span, now.at, chosen.points)
    return page(
        request,
        "overview.html",
        now=now,
        judged=judged,
        fires=firing(now, judged, services.settings.objectives.within),
        runbook=services.settings.alerts.runbook,
        flower=_flower(request, services),
        ranges=list(RANGES.values()),
        chosen=chosen,
        waiting=sorted(now.runs, key=lambda one: one.oldest, reverse=True),
        **_shown(series, chosen, now),
    )


def _shown(series: Series, chosen: Range, now: Now) -> dict[str, Any]:
    times = graphs.times_of(series, chosen)
    done, ended = sum(one.done for one in series.runs), sum(one.done + one.dead for one in series.runs)
    return {
        "series": series,
        "charts": graphs.of_runs(series, times),
        "stages": list(graphs.of_stages(series, times)),
        "received": sum(one.received for one in series.runs),
        "done": done,
        "share_done": done / ended if ended else None,
        "per_minute": done / (chosen.span / timedelta(minutes=1)),
        "cost": sum(one.cost for one in series.runs),
        "unknown": sum(number for (_, state), number in now.effects.items() if state == "unknown"),
    }


def _flower(request: Request, services: Services) -> str:
    """Its address if it runs beside this console and the visitor's browser is on this machine too."""
    if request.url.hostname not in LOOPBACK or not (services.settings.home / FLOWER_LOGIN).exists():
        return ""
    with suppress(OSError), create_connection(FLOWER, 0.1):
        return f"http://{FLOWER[0]}:{FLOWER[1]}"
    return ""


ROUTES = [Route("/overview", overview)]
