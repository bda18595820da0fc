"""One approval: exactly what would be sent, its digest, who said what; giving or denying leave for exactly that."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.console.desk import REFUSALS, back, desk, form, page, visit
from triage.model import Request as ToolRequest
from triage.store.approvals import ApprovalView

LONGEST_WHY = 1_000
BEYOND = 10**18
"""No approval has such a number, and Postgres would not take a longer one."""
BODY_SHOWN = 100_000


def approval(request: Request) -> Response:
    """The request, byte for byte."""
    one = desk(request).services.approvals.get(_number(request))
    return page(request, "approval.html", one=one, body=_body(request, one)[:BODY_SHOWN], shown=BODY_SHOWN)


def decide(request: Request) -> Response:
    """Leave for the digest that was shown, or none; a reason is needed to deny."""
    sent, number = form(request), _number(request)
    leave, why, digest = sent.get("leave"), sent.get("why")[:LONGEST_WHY], sent.get("digest")
    here = f"/approvals/{number}"
    if leave not in {"yes", "no"}:
        return back(request, here, "Say yes or no.", failed=True)
    if leave == "no" and not why:
        return back(request, here, "Say why you deny it: it is kept with the run.", failed=True)
    try:
        seen = bytes.fromhex(digest)
        approvals = desk(request).services.approvals
        state = approvals.decide(number, seen, leave=leave == "yes", by=visit(request).who, why=why)
    except ValueError:
        return back(request, here, "The digest is none.", failed=True)
    except REFUSALS as error:
        return back(request, here, str(error), failed=True)
    others = ": others have to give leave too" if state == "pending" else ""
    return back(request, "/person", f"Approval {number} is {state}{others}.")


def _number(request: Request) -> int:
    """Beyond what a number of the database can be there is none."""
    number: int = request.path_params["number"]
    return min(number, BEYOND)


def _body(request: Request, one: ApprovalView) -> str:
    """What the tool would send, if it is set here."""
    services = desk(request).services
    tool = services.toolset.guarded.get(one.tool)
    if tool is None:
        return ""
    key = services.approvals.key(one.id).hex()
    sent = ToolRequest(key, one.target, one.content, 0.0, one.stage, one.number)
    return tool.render(sent).decode("utf-8", "replace")


ROUTES = [
    Route("/approvals/{number:int}", approval, methods=["GET"]),
    Route("/approvals/{number:int}", decide, methods=["POST"]),
]
