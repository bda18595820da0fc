"""What is not a page: health, metrics, the first address, the theme."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from triage.console.desk import THEMES, back, desk, encrypted, form

YEAR = 365 * 86_400
FIRST = "/overview"


def first(_: Request) -> Response:
    """Where visitors begin."""
    return RedirectResponse(FIRST, 303)


def icon(_: Request) -> Response:
    """Browsers ask for it, whatever the page says."""
    return RedirectResponse("/static/icon.svg", 308)


def healthz(_: Request) -> Response:
    """The process serves; Postgres is not asked."""
    return PlainTextResponse("ok\n")


def metrics(request: Request) -> Response:
    """For Prometheus; the gate has found that this one may ask."""
    from triage import metrics as rendered  # noqa: PLC0415 - only who scrapes needs it

    return Response(rendered.document(desk(request).services), media_type="text/plain; version=0.0.4; charset=utf-8")


def theme(request: Request) -> Response:
    """Dark, light, or as the system says."""
    sent = form(request)
    answer = back(request, sent.get("back"))
    chosen = sent.get("theme")
    secure = encrypted(request)
    answer.set_cookie(
        "triage_theme",
        chosen if chosen in THEMES else "auto",
        max_age=YEAR,
        samesite="strict",
        httponly=True,
        secure=secure,
    )
    return answer


ROUTES = [
    Route("/", first),
    Route("/favicon.ico", icon),
    Route("/healthz", healthz),
    Route("/metrics", metrics),
    Route("/theme", theme, methods=["POST"]),
]
