"""The application: all pages, errors as pages, and the gate around it."""

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from triage import errors
from triage.bootstrap import Services
from triage.console.access import Access, Denied
from triage.console.desk import Desk, Tab, page
from triage.console.gate import Gate
from triage.console.pages import (
    act,
    approvals,
    at,
    audit,
    bulk,
    deciding,
    entry,
    overview,
    person,
    plain,
    run,
    runs,
    tools,
)

MODULES = (plain, entry, overview, runs, run, act, bulk, person, approvals, tools, deciding, audit, at)
TABS = (
    Tab("/overview", "Overview"),
    Tab("/runs", "Runs"),
    Tab("/person", "Needs a person"),
    Tab("/tools", "Tools"),
    Tab("/deciding", "Deciding"),
    Tab("/audit", "Audit"),
)
STATIC = Path(__file__).with_name("static")
_STATUS: dict[type[errors.TriageError], int] = {
    errors.RunNotFound: 404,
    errors.NotAllowed: 409,
    errors.StoreUnavailable: 503,
    Denied: 403,
}


def build(services: Services, access: Access, *, port: int, hosts: Sequence[str], name: str) -> ASGIApp:
    """The whole console. `hosts` are names it may be called by, `name` is whom visitors are taken for at first."""
    console = services.settings.console
    desk = Desk(services, access, TABS, port, name)
    routes: list[BaseRoute] = [route for module in MODULES for route in module.ROUTES]
    routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))
    handlers = {errors.TriageError: _refused, HTTPException: _wrong, Exception: _broken}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.state.desk = desk
    token = console.metrics_token.get_secret_value() if console.metrics_token else ""
    return Gate(app, access, [*hosts, *console.hosts], token, desk.cookie)


def _refused(request: Request, error: Exception) -> Response:
    """An expected error. While Postgres is away even the page's frame asks nothing of it."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 400)
    return page(request, "error.html", status=status, title=_title(status), text=str(error))


def _wrong(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return page(request, "error.html", status=status, title=_title(status), text="There is no such page.")


def _broken(request: Request, _: Exception) -> Response:
    """A bug of ours; the server's log has it."""
    return page(request, "error.html", status=500, title=_title(500), text="The console's log says more.")


def _title(status: int) -> str:
    titles = {403: "Not let in", 404: "Not there", 409: "Not possible now", 503: "Postgres does not answer"}
    return titles.get(status, "That did not work")
