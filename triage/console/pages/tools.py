"""The tools: what state they are in, and their switches."""

from collections import Counter
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage import errors
from triage.bootstrap import Services
from triage.console.desk import REFUSALS, back, desk, form, page, visit
from triage.model import Rate, ToolSpec
from triage.store.tool_box import ALL, ToolView

LONGEST_WHY = 1_000
EVENTS = 50
ACTS = ("disable", "enable", "close")


def tools(request: Request) -> Response:
    """Every tool that is set, or of which something is known."""
    services = desk(request).services
    box, (specs, trouble) = services.tool_box(visit(request).who), _specs(services)
    now = services.overview.now()
    everything, found = _apart(box.views([ALL, *specs]))
    return page(
        request,
        "tools.html",
        tools=found,
        everything=everything,
        specs=specs,
        rates={name: _rate(spec.rate) for name, spec in specs.items()},
        trouble=trouble,
        calls=_calls(services, now.effects),
        waiting=sum(one.runs for one in now.runs if one.waits_on in {"tool", "switch", "quarantine"}),
        duplicates=box.duplicates(),
        events=box.events(EVENTS),
    )


def ask(request: Request) -> Response:
    """What the switch will do, and the form that does it."""
    services, tool, what = desk(request).services, request.query_params.get("tool", ""), _what(request)
    return page(request, "ask_tool.html", tool=_known(services, tool, visit(request).who), what=what)


def act(request: Request) -> Response:
    """Turn the switch, or close the breaker; recorded with its author."""
    sent, services, what = form(request), desk(request).services, _what(request)
    tool, why = _known(services, sent.get("tool"), visit(request).who).tool, sent.get("why")[:LONGEST_WHY]
    box, name = services.tool_box(visit(request).who), "Everything" if tool == ALL else tool
    if what == "disable" and not why:
        return back(request, f"/tools/disable?tool={tool}", "Say why: it is shown to whoever asks.", failed=True)
    try:
        if what == "disable":
            box.disable(tool, why)
            return back(request, "/tools", f"{name} is out of service in every worker.")
        if what == "enable":
            woken = box.enable(tool, why)
            return back(request, "/tools", f"{name} is back in service; {woken} waiting runs are looked at now.")
        box.close_breaker(tool)
    except REFUSALS as error:
        return back(request, "/tools", str(error), failed=True)
    return back(request, "/tools", f"The breaker of {tool} is closed.")


def _what(request: Request) -> str:
    return request.url.path.rpartition("/")[2]


def _known(services: Services, tool: str, who: str) -> ToolView:
    """What is known of a tool; raises NotAllowed if there is none with this name."""
    views = services.tool_box(who).views([ALL, *_specs(services)[0]])
    found = next((view for view in views if view.tool == tool), None)
    if found is None:
        raise errors.NotAllowed(f"there is no tool {tool[:80]}")
    return found


def _specs(services: Services) -> tuple[dict[str, ToolSpec], str]:
    """The tools that are set here, by name; or why they cannot be had. What is stored is shown all the same."""
    try:
        return {tool.spec.name: tool.spec for tool in services.toolset.bare.values()}, ""
    except errors.InvalidSetting as error:
        return {}, str(error)


def _apart(views: list[ToolView]) -> tuple[ToolView, list[ToolView]]:
    """The switch of everything, and the tools."""
    return next(view for view in views if view.tool == ALL), [view for view in views if view.tool != ALL]


def _calls(services: Services, unfinished: Mapping[tuple[str, str], int]) -> dict[str, Counter[str]]:
    """All calls that were ever planned, by tool and state; those of finished runs are in the tally."""
    found: dict[str, Counter[str]] = {}
    for (tool, state), number in unfinished.items():
        found.setdefault(tool, Counter())[state] += number
    for one in services.tally.totals(["effect"]):
        found.setdefault(one.name, Counter())[one.what] += one.number
    return found


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return "no limit"
    per = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86_400.0: "day"}.get(rate.per.total_seconds())
    return f"{rate.calls} a {per}" if per else f"{rate.calls} in {rate.per.total_seconds():g} s"


ROUTES = [
    Route("/tools", tools),
    *(Route(f"/tools/{what}", ask, methods=["GET"]) for what in ACTS),
    *(Route(f"/tools/{what}", act, methods=["POST"]) for what in ACTS),
]
