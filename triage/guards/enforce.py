"""The policy guard: nothing leaves that the policy does not allow.

It refuses because a model proposes and a policy decides. What it needs is in this process; if the other system's values
cannot be told, that error (`NotSent` or `StoreUnavailable`) leaves and nothing is sent.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from triage.errors import GuardRefused
from triage.guards.base import Guard
from triage.guards.judge import Surroundings, judge
from triage.guards.policy import Policy
from triage.model import LiveValues, Request, Sent
from triage.ports import Tool


def utc_now() -> datetime:
    """The time of day, which only calendar blocks are judged by."""
    return datetime.now(UTC)


def nothing_known() -> LiveValues:
    """The values of a system that cannot be asked."""
    return LiveValues()


class PolicyGuard(Guard):
    """Sends only what `judge` allows."""

    def __init__(
        self,
        tool: Tool,
        policy: Policy,
        *,
        targets: frozenset[str],
        hosts: frozenset[str] = frozenset(),
        values: Callable[[], LiveValues] = nothing_known,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`targets` are those that are set for this tool, `hosts` those of all set tools' addresses, in small letters.

        `values` gives this process's copy of what the other system has; it is asked with every call.
        """
        super().__init__(tool)
        self._policy = policy
        self._targets = targets
        self._hosts = hosts
        self._values = values
        self._now = now

    def send(self, request: Request) -> Sent:
        """Send, or raise `GuardRefused`, which is final for this call."""
        around = Surroundings(self._now(), self._targets, self._hosts, self._values())
        verdict = judge(self._policy, self.placed(request), around)
        if not verdict.allowed:
            raise GuardRefused(f"refused by the policy {self._policy.version}: {verdict.why}", verdict.rule)
        return self._tool.send(request)
