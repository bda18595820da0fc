"""Approval: some requests wait for a person's leave, which is bound to the digest of exactly this request.

It refuses because the policy says that a person decides. It has no store: the leave comes with the request.
"""

from triage.errors import ApprovalNeeded
from triage.guards.base import Guard
from triage.guards.policy import PURPOSES, ApprovalRules
from triage.model import Request, Sent
from triage.ports import Tool


class ApprovalGuard(Guard):
    """Sends what no rule asks about, and what a person has approved as it is."""

    def __init__(self, tool: Tool, rules: ApprovalRules) -> None:
        """`rules` are a part of the policy."""
        super().__init__(tool)
        self._rules = rules

    def send(self, request: Request) -> Sent:
        """Send, or raise `ApprovalNeeded`."""
        asked = (asking(self._rules, name, request) for name in (self.spec.name, self.spec.beside) if name)
        rule = next(filter(None, asked), "")
        if rule and not _approved(request):
            who = "a person has" if self._rules.people == 1 else f"{self._rules.people} people have"
            raise ApprovalNeeded(
                f"{who} to approve it: {rule}", request.digest, self._rules.people, self._rules.lifetime
            )
        return self._tool.send(request)


def asking(rules: ApprovalRules, tool: str, request: Request) -> str:
    """The line of the policy that asks for a person; empty if none does. Pure."""
    if request.severity in rules.severities:
        return f"approval.severities has {request.severity}"
    if tool in rules.tools:
        return f"approval.tools has {tool}"
    if PURPOSES.get(request.stage) in rules.purposes:
        return f"approval.purposes has {PURPOSES[request.stage]}"
    unsure = rules.below_confidence > 0 and not request.confidence >= rules.below_confidence
    return f"approval.below_confidence = {rules.below_confidence:g}" if unsure else ""


def _approved(request: Request) -> bool:
    return request.approval is not None and request.approval.digest == request.digest
