"""Make one outbound call for a claimed effect, or find out what became of the last one."""

from dataclasses import replace

from triage import errors
from triage.model import Claim, Effect, EffectState, Request, Sent, ToolClass
from triage.ports import Lease, Tool


def perform(claim: Claim, effect: Effect, tool: Tool, lease: Lease) -> Sent:
    """The confirmed object of this effect, with what the other system left out of it.

    The claim has committed "about to send" (or "unknown") before this is called. A worker that dies anywhere in here
    leaves the effect in that state, and the next claim finds it: also one that dies while the object is read back.

    Raises:
        ToolError: what is known of the call instead.
        ProcessExpired: others may hold this process for dead; nothing was sent.
    """
    if effect.state is EffectState.CONFIRMED and effect.sent is not None:
        return effect.sent
    if effect.state is EffectState.REFUSED:
        raise errors.Refused(effect.refusal)
    request = _request(claim, effect)
    if effect.state is EffectState.SENDING:
        lease.check()
        return _read_back(tool, request, tool.send(request))
    return _read_back(tool, request, _find_out(effect, tool, request))


def _request(claim: Claim, effect: Effect) -> Request:
    decision = claim.decision or {}
    return Request(
        key=effect.key.hex(),
        target=effect.target,
        content=effect.content,
        deadline=claim.started + effect.timeout.total_seconds(),
        stage=claim.stage,
        number=effect.number,
        severity=str(decision.get("severity", "")),
        confidence=float(decision.get("confidence", 1.0)),
        approval=effect.approval,
        age=effect.age,
    )


def _read_back(tool: Tool, request: Request, sent: Sent) -> Sent:
    """What cannot be read back stays made: whatever goes wrong here is only told."""
    try:
        dropped = tool.dropped(request, sent)
    except (errors.ToolError, errors.ProcessExpired) as error:
        dropped = (f"it could not be read back: {error}",)
    return replace(sent, dropped=(*sent.dropped, *dropped)) if dropped else sent


def _find_out(effect: Effect, tool: Tool, request: Request) -> Sent:
    """Reconcile: ask the target, where it can be asked and the quarantine is over."""
    if effect.tool_class is not ToolClass.FINDABLE:
        raise errors.NeedsPerson(_question(effect))
    if effect.wait:
        raise errors.Quarantined(f"{effect.tool} may still commit the call whose answer was lost", effect.wait)
    found = tool.find(request)
    if found is None:
        raise errors.Absent(f"{effect.tool} has no object with the marker {request.key}")
    return found


def _question(effect: Effect) -> str:
    return (
        f"{effect.tool} was called and its answer was lost; it cannot be asked. "
        f"Look there for {effect.key.hex()[:12]}, then say whether it happened"
    )
