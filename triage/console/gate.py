"""What every request passes: its host, its body's size, who sends it, whether a form is ours; and the answer's headers.

Browsers send the name that the address bar shows as `Host`, so a page of somebody else whose name was made to lead here
(DNS rebinding) is refused by it. `Origin` says which page a form stood on. Pages are sent with the referrer policy
`same-origin`, which tells no other host anything, but keeps `Origin`: with `no-referrer` browsers say `null` there.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from triage.console.access import Access

LONGEST_BODY = 200_000
MOST_FIELDS = 1_200
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OPEN = re.compile(r"/static/[a-z.-]+|/favicon\.ico|/healthz|/enter")
"""What can be asked for without having been let in."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
AGAIN = '<!doctype html><html lang="en"><title>triage</title><meta http-equiv="refresh" content="0"><p>One moment …'

Handler: TypeAlias = Callable[[Request], Awaitable[Response | None]]


class Form:
    """The fields of a form that was sent; control characters that cannot be stored are taken out."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        """The fields in their order; a name may come several times."""
        self._fields = [(name, text.replace("\x00", "")) for name, text in fields]

    def get(self, name: str) -> str:
        """The field's text without spaces around it; empty if it was not sent."""
        return next((text.strip() for known, text in self._fields if known == name), "")

    def all(self, name: str) -> list[str]:
        """The texts of all fields with this name."""
        return [text for known, text in self._fields if known == name]


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """The request is answered here."""

    status: int
    text: str


class Gate:
    """Stands around the whole application, so that errors have the headers too."""

    def __init__(self, app: ASGIApp, access: Access, hosts: Sequence[str], metrics_token: str, cookie: str) -> None:
        """`hosts` are the names it may be called by, without ports; `cookie` is the session cookie's name."""
        self._app = app
        self._access = access
        self._hosts = {*LOOPBACK, *(host.lower() for host in hosts)}
        self._metrics_token = metrics_token
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise AssertionError("nothing but HTTP is served")
        request = Request(scope, receive)
        try:
            answer: ASGIApp = await self._let_in(request) or self._app
        except Refusal as refusal:
            answer = PlainTextResponse(refusal.text + "\n", refusal.status)
        await answer(scope, receive, _with_headers(send, scope["path"]))

    async def _let_in(self, request: Request) -> Response | None:
        """None if the application shall answer."""
        if request.method not in {"GET", "HEAD", "POST"}:
            raise Refusal(405, "only GET and POST are served")
        if host_of(request.headers.get("host", "")) not in self._hosts:
            raise Refusal(421, "this host name is not known here; the setting console.hosts names more")
        path, cookie = request.url.path, request.cookies.get(self._cookie, "")
        visit = self._access.visit(cookie)
        request.state.visit = visit
        if path == "/metrics":
            self._check_metrics(request, known=visit is not None)
            return None
        if visit is None and not OPEN.fullmatch(path):
            return _elsewhere(request)
        if request.method == "POST":
            request.state.form = await self._form(request, cookie, path)
        return None

    def _check_metrics(self, request: Request, *, known: bool) -> None:
        """Who has no cookie needs the token; where none is set, only this machine may ask."""
        sent = request.headers.get("authorization", "").encode()
        if self._metrics_token:
            fine = hmac.compare_digest(sent, f"Bearer {self._metrics_token}".encode())
        else:
            fine = request.client is not None and request.client.host in LOOPBACK
        if not (fine or known):
            raise Refusal(401, "metrics need the bearer token that is set as console.metrics_token")

    async def _form(self, request: Request, cookie: str, path: str) -> Form:
        origin = urlsplit(request.headers.get("origin", ""))
        if origin.scheme not in {"http", "https"} or origin.netloc.lower() != request.headers["host"].lower():
            raise Refusal(403, "this form was not sent from one of our pages")
        form = Form(_fields(await _body(request)))
        if path != "/enter" and not self._access.is_form_of(cookie, form.get("csrf")):
            raise Refusal(403, "this form is too old or not yours; go back and load its page again")
        return form


def host_of(header: str) -> str:
    """The name in a `Host` header, without its port and in small letters; empty if it holds more than these."""
    if set(header) & set("@/?#\\ "):
        return ""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


async def _body(request: Request) -> bytes:
    kept = b""
    async for chunk in request.stream():
        kept += chunk
        if len(kept) > LONGEST_BODY:
            raise Refusal(413, f"a form may have at most {LONGEST_BODY} bytes")
    return kept


def _fields(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Refusal(400, f"the form cannot be read; it may have at most {MOST_FIELDS} fields") from None


def _elsewhere(request: Request) -> Response:
    """Somebody who has to be let in first.

    A link on another site (a ticket) comes without our strict cookie; the page asks for itself once more, with it.
    """
    if request.method == "POST" or request.headers.get("hx-request"):
        raise Refusal(401, "you are not let in (any more); load the page again")
    if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
        return HTMLResponse(AGAIN)
    return RedirectResponse("/enter", 303)


def _with_headers(send: Send, path: str) -> Send:
    caching = "max-age=3600" if path.startswith("/static/") else "no-store"

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Any = MutableHeaders(scope=message)
            headers.update(HEADERS | {"Cache-Control": caching})
        await send(message)

    return sent
