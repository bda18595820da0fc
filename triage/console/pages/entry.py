"""Coming in by a link, and leaving."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from triage.console.access import LONGEST_NAME, Denied, TooMany
from triage.console.desk import desk, form, let_in, page


def door(request: Request) -> Response:
    """Behind a good link: the name, asked once. Else: how to get a link. Looking uses nothing up."""
    token = request.query_params.get("token", "")[:500]
    if not token:
        return page(request, "entry.html", token="", why="", name="", longest=LONGEST_NAME)
    try:
        desk(request).access.check_link(token)
    except Denied as denied:
        return _denied(request, denied)
    return page(request, "entry.html", token=token, why="", name=desk(request).default_name, longest=LONGEST_NAME)


def enter(request: Request) -> Response:
    """Use the link up and begin a session."""
    sent = form(request)
    try:
        return let_in(request, desk(request).access.enter(sent.get("token")[:500], sent.get("name")))
    except Denied as denied:
        return _denied(request, denied)


def leave(request: Request) -> Response:
    """End the session in this browser."""
    answer = RedirectResponse("/enter", 303)
    answer.delete_cookie(desk(request).cookie)
    return answer


def _denied(request: Request, denied: Denied) -> Response:
    many = isinstance(denied, TooMany)
    answer = page(
        request, "entry.html", status=429 if many else 403, token="", why=str(denied), name="", longest=LONGEST_NAME
    )
    if isinstance(denied, TooMany):
        answer.headers["Retry-After"] = str(int(denied.wait.total_seconds()) + 1)
    return answer


ROUTES = [
    Route("/enter", door, methods=["GET"]),
    Route("/enter", enter, methods=["POST"]),
    Route("/leave", leave, methods=["POST"]),
]
