"""What happens after an attempt that failed: one pure function, whose answer is saved with the attempt."""

from dataclasses import dataclass, replace
from datetime import timedelta

from triage import errors
from triage.model import Ask, Effect, EffectState, Settlement, Status, ToolClass
from triage.pipeline import ABSENCES_TO_RESEND


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how fast a stage is tried again: exponential from `first`, never above `longest`.

    `losses` bounds how many workers in a row one run may take with it.
    """

    attempts: int = 20
    losses: int = 8
    first: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=10)

    def delay(self, attempt: int, spread: float) -> timedelta:
        """The wait after this attempt (from 1); `spread` in 0..1 keeps runs that failed together from meeting again."""
        full: timedelta = self.first * (1 << min(attempt - 1, 30))
        return min(full, self.longest) * (0.5 + spread / 2)


def decide(error: Exception, attempt: int, effect: Effect | None, policy: Policy, spread: float) -> Settlement:
    """Retry at a time, hold for a person, or give up. `attempt` counts from 1; `spread` in 0..1 scatters the delay."""
    waiting = _only_waited(error, effect, policy)
    if waiting is not None:
        return waiting
    if isinstance(error, errors.ApprovalNeeded):
        return replace(_hold(error, effect), ask=Ask(error.digest, error.people, error.lifetime), counted=False)
    if isinstance(error, errors.NeedsPerson) or _unknown_for_good(error, attempt, effect, policy):
        return _hold(error, effect)
    if not getattr(error, "retryable", False):
        return _dead(_describe(error), error, effect)
    if attempt >= policy.attempts:
        return _dead(f"gave up after {attempt} attempts: {_describe(error)}", error, effect)
    return _again(error, _delay(error, attempt, effect, policy, spread), effect, _waits_on(error, effect))


def _only_waited(error: Exception, effect: Effect | None, policy: Policy) -> Settlement | None:
    """The end of an attempt that was no try of the call: a look-up, a quarantine, a worker that could not go on."""
    if isinstance(error, errors.Absent) and effect is not None:
        return _absent(effect)
    if isinstance(error, errors.Quarantined):
        return replace(_again(error, error.wait, effect, "quarantine"), counted=False)
    if isinstance(error, errors.Postponed):
        return replace(_again(error, error.wait, effect, error.waits_on), counted=False)
    if isinstance(error, errors.ProcessExpired):
        return replace(_again(error, policy.first, effect, "relay"), counted=False)
    return None


def lost_too_often(losses: int, effect: Effect | None, policy: Policy) -> Settlement | None:
    """The end of a run whose attempts keep dying with their process, before another worker is lost to it; else None."""
    if losses < policy.losses or (effect is not None and effect.state is EffectState.CONFIRMED):
        return None
    reason = f"{losses} workers in a row died or hung at it"
    if effect is not None and may_be_committed(effect):
        return _hold(errors.NeedsPerson(reason), effect)
    return Settlement(Status.DEAD, "dead", reason, effect_state=EffectState.PLANNED if effect else None)


def _absent(effect: Effect) -> Settlement:
    """A marker absent often enough, a quarantine apart each time, means that the call was never committed."""
    absences = effect.absences + 1
    if absences >= ABSENCES_TO_RESEND:
        reason = f"{effect.tool} does not have it: sending again"
        return Settlement(Status.ACTIVE, "retry", reason, effect_state=EffectState.PLANNED, waits_on="relay")
    return Settlement(
        Status.ACTIVE,
        "retry",
        f"{effect.tool} does not have it yet: asking once more",
        delay=effect.quarantine,
        waits_on="quarantine",
        effect_state=EffectState.UNKNOWN,
        absences=absences,
    )


def _again(error: Exception, delay: timedelta, effect: Effect | None, waits_on: str) -> Settlement:
    state, absences = _known(error, effect)
    return Settlement(Status.ACTIVE, "retry", _describe(error), delay, waits_on, state, absences)


def _hold(error: Exception, effect: Effect | None) -> Settlement:
    state, _ = _known(error, effect)
    return Settlement(Status.HELD, "held", _describe(error), waits_on="person", effect_state=state)


def _dead(reason: str, error: Exception, effect: Effect | None) -> Settlement:
    state, absences = _known(error, effect)
    if state is EffectState.PLANNED and isinstance(error, errors.Refused):
        state = EffectState.REFUSED
    return Settlement(Status.DEAD, "dead", reason, effect_state=state, absences=absences)


def _known(error: Exception, effect: Effect | None) -> tuple[EffectState | None, int]:
    """What an error tells of the effect: `planned` when nothing can have been committed, else `unknown`.

    A confirmed one stays so, whatever goes wrong after it.
    """
    if effect is None:
        return None, 0
    if effect.state is EffectState.CONFIRMED:
        return EffectState.CONFIRMED, 0
    nothing_sent = errors.NotSent | errors.ProcessExpired | errors.Refused | errors.ApprovalNeeded
    if isinstance(error, nothing_sent) and not may_be_committed(effect):
        return EffectState.PLANNED, 0
    return EffectState.UNKNOWN, effect.absences


def may_be_committed(effect: Effect) -> bool:
    """Whether an earlier call than this attempt's may have been committed."""
    return effect.state is EffectState.UNKNOWN or effect.resent


def _unknown_for_good(error: Exception, attempt: int, effect: Effect | None, policy: Policy) -> bool:
    """Whether the outcome stays unknown however often we try."""
    if effect is None:
        return False
    state, _ = _known(error, effect)
    if state is not EffectState.UNKNOWN:
        return False
    if effect.tool_class is ToolClass.KEYED and isinstance(error, errors.Refused):
        return False  # a dead letter: whatever became of the first call, a redrive sends the same key again
    blind = effect.tool_class is ToolClass.BLIND
    return blind or attempt >= policy.attempts or not getattr(error, "retryable", False)


def _delay(error: Exception, attempt: int, effect: Effect | None, policy: Policy, spread: float) -> timedelta:
    backoff = policy.delay(attempt, spread)
    if isinstance(error, errors.NotSent) and error.retry_after is not None:
        return max(error.retry_after, backoff)
    unknown = isinstance(error, errors.OutcomeUnknown) and effect is not None
    if unknown and effect is not None and effect.tool_class is ToolClass.FINDABLE:
        return effect.timeout + effect.quarantine  # counted from the deadline, which may still be ahead
    return backoff


def _waits_on(error: Exception, effect: Effect | None) -> str:
    if isinstance(error, errors.OutcomeUnknown) and effect and effect.tool_class is ToolClass.FINDABLE:
        return "quarantine"
    return "tool" if isinstance(error, errors.ToolError) else "relay"


def _describe(error: Exception) -> str:
    known = isinstance(error, errors.TriageError)
    text = str(error) if known else f"bug, not expected here: {type(error).__name__}: {error}"
    storable = text.encode("utf-8", "replace").decode().replace("\x00", "?")
    return storable[:1_000] or type(error).__name__
