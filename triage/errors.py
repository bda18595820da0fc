"""Every error the product raises on purpose.

Each class says with `retryable` whether the same call may succeed later. All of them carry only positional arguments,
so they survive pickling between processes.
"""

from datetime import timedelta
from typing import ClassVar


class TriageError(Exception):
    """The root of all errors raised on purpose; anything else is a bug."""

    retryable: ClassVar[bool] = False


class InvalidReport(TriageError):
    """A report breaks a bound; `field` names it. Nothing was written."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class InvalidCorrection(TriageError):
    """What is said of a decision breaks a bound; the message names the field. Nothing was written."""


class InvalidSetting(TriageError):
    """A setting is missing, unknown or out of bounds; the message names it."""


class RunNotFound(TriageError):
    """No run has this id."""


class NotAllowed(TriageError):
    """The run's state does not allow what was asked; the message says what does."""


class StoreUnavailable(TriageError):
    """Postgres did not answer in time; every statement can be repeated."""

    retryable = True


class BrokerUnavailable(TriageError):
    """The broker did not answer in time; accepted runs are rung later."""

    retryable = True


class ProcessExpired(TriageError):
    """This process could not renew its row in time, so others may hold it for dead: it starts no effect."""

    retryable = True


class ToolError(TriageError):
    """An outbound call did not end with a confirmed object."""


class NotSent(ToolError):
    """The other system surely did nothing: connect error, 429, the deadline passed before the first byte.

    `retry_after` is the wait the other system asked for, or None.
    """

    retryable = True

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class Postponed(NotSent):
    """A guard says "not now": surely nothing was sent, and this was no attempt. `wait` says how long.

    `waits_on` is what has to change: `switch` (a person put the tool out of service) or `tool` (its limits).
    """

    def __init__(self, message: str, wait: timedelta, waits_on: str = "tool") -> None:
        super().__init__(message, wait)
        self.args = (message, wait, waits_on)
        self.wait = wait
        self.waits_on = waits_on


class OutcomeUnknown(ToolError):
    """The request may or may not have been committed: timeout, reset, 5xx, unparsable answer."""

    retryable = True


class Refused(ToolError):
    """The other system said a definite no (4xx): sending the same again cannot help."""


class GuardRefused(Refused):
    """A guard said no, for good: nothing was sent. `rule` is the line of the policy that decided."""

    def __init__(self, message: str, rule: str) -> None:
        super().__init__(message, rule)
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.args[0]} ({self.rule})"


class Quarantined(ToolError):
    """The outcome is unknown and it is too early to ask: the other system may still commit. `wait` says how long."""

    retryable = True

    def __init__(self, message: str, wait: timedelta) -> None:
        super().__init__(message, wait)
        self.wait = wait

    def __str__(self) -> str:
        return str(self.args[0])


class Absent(ToolError):
    """The other system was asked for our marker and does not have it (yet)."""

    retryable = True


class NeedsPerson(ToolError):
    """The outcome is unknown and the other system cannot be asked: nobody may guess."""


class ApprovalNeeded(ToolError):
    """Nothing was sent: so many `people` have to give leave for exactly this request (`digest`) within `lifetime`."""

    def __init__(self, message: str, digest: bytes, people: int, lifetime: timedelta) -> None:
        super().__init__(message, digest, people, lifetime)
        self.digest = digest
        self.people = people
        self.lifetime = lifetime

    def __str__(self) -> str:
        return str(self.args[0])
