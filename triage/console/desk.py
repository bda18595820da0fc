"""What every page has at hand: the state, who looks, the templates, and the way back after an action."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from triage import errors
from triage.bootstrap import Services
from triage.console import words
from triage.console.access import SESSION, Access, Visit
from triage.console.gate import Form
from triage.console.jobs import Jobs
from triage.console.plans import Plans
from triage.store.needs import Needs
from triage.store.operations import Operations

THEMES = ("auto", "light", "dark")
SERVER_ERROR = 500
"""Pages with such a status are shown without asking Postgres anything."""
REFUSALS = (errors.NotAllowed, errors.RunNotFound)


@dataclass(frozen=True, slots=True)
class Tab:
    """An entry of the navigation; it is the current one on every path that begins with its own."""

    path: str
    title: str


@dataclass(frozen=True)
class Desk:
    """One for the whole console."""

    services: Services
    access: Access
    tabs: tuple[Tab, ...]
    port: int
    default_name: str

    @cached_property
    def jobs(self) -> Jobs:
        """What is done to many runs, in the background."""
        return Jobs()

    @cached_property
    def plans(self) -> Plans:
        """What was shown and waits for a yes."""
        return Plans()

    @cached_property
    def needs(self) -> Needs:
        """What needs a person."""
        return Needs(self.services.database)

    @cached_property
    def templates(self) -> jinja2.Environment:
        """Everything is escaped, a name that is not given is an error, and `parts.html` has macros for all."""
        found = jinja2.Environment(
            loader=jinja2.PackageLoader("triage.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        found.filters.update(words.FILTERS)
        parts = vars(found.get_template("parts.html").module)
        found.globals.update({name: macro for name, macro in parts.items() if not name.startswith("_")})
        return found

    @property
    def cookie(self) -> str:
        """The session cookie's name; browsers keep cookies of all ports of a host together."""
        return f"triage_console_{self.port}"

    @property
    def note_cookie(self) -> str:
        """The name of the cookie that carries a message to the next page."""
        return f"triage_note_{self.port}"


def desk(request: Request) -> Desk:
    """What the request's page has at hand."""
    found: Desk = request.app.state.desk
    return found


def visit(request: Request) -> Visit:
    """Who looks; pages are only shown to those who were let in."""
    found: Visit = request.state.visit
    return found


def form(request: Request) -> Form:
    """The form that was sent; the gate has found that it is one of ours."""
    found: Form = request.state.form
    return found


def operations(request: Request) -> Operations:
    """What can be done to runs, in the visitor's name."""
    return desk(request).services.operations(visit(request).who)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401
    """The whole page; or, when the page asks for its news, only the template's block `live`."""
    at, known = desk(request), request.state.visit
    found = at.templates.get_template(template)
    context = {**_frame(request), **values}
    if request.headers.get("hx-request") and "live" in found.blocks:
        context["fragment"] = True
        return HTMLResponse("".join(found.blocks["live"](found.new_context(context))), status)
    context["note"] = at.access.read_note(request.cookies.get(at.note_cookie, ""))
    context["needed"] = at.needs.count() if known and status < SERVER_ERROR else 0
    answer = HTMLResponse(found.render(context), status)
    if at.note_cookie in request.cookies:
        answer.delete_cookie(at.note_cookie)
    return answer


def back(request: Request, to: str, told: str = "", *, failed: bool = False) -> RedirectResponse:
    """After an action: on to a page (a path of ours), which shows the message."""
    answer = RedirectResponse(local_path(to), 303)
    if told:
        at, secure = desk(request), encrypted(request)
        note = at.access.note("failed" if failed else "done", told)
        answer.set_cookie(at.note_cookie, note, max_age=60, httponly=True, samesite="strict", secure=secure)
    return answer


def encrypted(request: Request) -> bool:
    """Whether the visitor's browser speaks TLS, to us or to a proxy before us: then cookies go no other way."""
    return request.headers.get("origin", "").startswith("https://")


def local_path(to: str) -> str:
    """The path and query if they lead to us, else the first page."""
    parts = urlsplit(to)
    fine = to.startswith("/") and not to.startswith(("//", "/\\")) and not parts.netloc and to.isprintable()
    return to if fine else "/"


def with_query(path: str, values: Mapping[str, Any]) -> str:
    """The path with those values that are not empty, as its query."""
    given = [(name, text) for name, text in values.items() if text not in ("", None, [], ())]
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def let_in(request: Request, cookie: str) -> RedirectResponse:
    """On to the first page, with the cookie of a new session."""
    answer = RedirectResponse("/", 303)
    lifetime, secure = int(SESSION.total_seconds()), encrypted(request)
    name = desk(request).cookie
    answer.set_cookie(name, cookie, max_age=lifetime, httponly=True, samesite="strict", secure=secure)
    return answer


def _frame(request: Request) -> dict[str, Any]:
    theme = request.cookies.get("triage_theme", "auto")
    query = f"?{request.url.query}" if request.url.query else ""
    return {
        "tabs": desk(request).tabs,
        "path": request.url.path,
        "here": request.url.path + query,
        "visit": request.state.visit,
        "theme": theme if theme in THEMES else "auto",
        "fragment": False,
        "note": None,
        "needed": 0,
    }
