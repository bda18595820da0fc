"""All guards round one tool, in the one order that is right.

From outside in: span, kill switch, policy, own ticket (of comments), approval, circuit breaker, rate limit, budget,
deadline, dry run, tool. What costs nothing and is final comes first. A person is asked only about what the policy
allows. What the circuit breaker or the rate limit keeps back is not taken out of the day's budget: an outage would use
it up without one call. The deadline is the last thing asked, since all others take time. The shadow is outermost, and
sees what was sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from triage.guards.approval import ApprovalGuard
from triage.guards.breaker import CircuitBreaker
from triage.guards.closed import FailClosed
from triage.guards.deadline import Deadline
from triage.guards.dry_run import DryRun
from triage.guards.enforce import PolicyGuard, nothing_known, utc_now
from triage.guards.own_ticket import OwnTicket
from triage.guards.policy import Policy
from triage.guards.rate import Budget, RateLimit
from triage.guards.shadow import Shadow
from triage.guards.switch import KillSwitch
from triage.guards.traced import Traced
from triage.model import LiveValues, Rate
from triage.ports import SharedState, Tool

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What the policy guard of one tool is told, see `PolicyGuard`; `filed` is for comments, see `OwnTicket`."""

    targets: frozenset[str]
    hosts: frozenset[str] = frozenset()
    values: Callable[[], LiveValues] = nothing_known
    now: Callable[[], datetime] = utc_now
    filed: Callable[[UUID, str, str, str], bool] | None = None


def guarded(
    tool: Tool,
    *,
    policy: Policy,
    shared: SharedState,
    known: Known,
    dry_run: bool = False,
    second: Tool | None = None,
) -> Tool:
    """The tool behind all its guards; `second` is the shadow's tool, guarded already."""
    inner: Tool = Deadline(DryRun(tool) if dry_run else tool)
    counted_as = tool.spec.beside or tool.spec.name
    if a_day := policy.limits.per_day.get(counted_as):
        inner = Budget(inner, shared, a_day)
    a_minute = policy.limits.per_minute.get(counted_as)
    inner = RateLimit(inner, shared, rate=Rate(a_minute, MINUTE) if a_minute else None)
    inner = CircuitBreaker(inner, shared, policy.breaker.threshold, policy.breaker.cool_down)
    inner = ApprovalGuard(inner, policy.approval)
    if tool.spec.beside:
        inner = OwnTicket(inner, known.filed or _nobody_filed)
    inner = PolicyGuard(inner, policy, targets=known.targets, hosts=known.hosts, values=known.values, now=known.now)
    outer = Traced(FailClosed(KillSwitch(inner, shared)))
    return Shadow(outer, second) if second is not None else outer


def _nobody_filed(run_id: UUID, tool: str, place: str, ticket: str) -> bool:  # noqa: ARG001 - nothing is ours
    return False
