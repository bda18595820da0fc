"""What happens after a failed attempt, for every error, effect and policy there can be."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from triage import errors, pipeline, retry
from triage.model import Effect, EffectState, Status, ToolClass

words = st.text(st.characters(), max_size=50)  # with NUL and halves of surrogate pairs
waits = st.timedeltas(timedelta(), timedelta(hours=1))
known = st.one_of(
    st.builds(errors.NotSent, words, st.none() | waits),
    st.builds(errors.OutcomeUnknown, words),
    st.builds(errors.Refused, words),
    st.builds(errors.Quarantined, words, waits),
    st.builds(errors.Absent, words),
    st.builds(errors.NeedsPerson, words),
    st.builds(errors.ProcessExpired, words),
    st.builds(errors.StoreUnavailable, words),
    st.builds(errors.InvalidReport, words, words),
)
bugs = st.sampled_from([ValueError, KeyError, RuntimeError, AssertionError, OSError, TimeoutError]).flatmap(
    lambda kind: st.builds(kind, words)
)
worked_on = st.sampled_from([EffectState.SENDING, EffectState.UNKNOWN])
effects = st.builds(
    Effect,
    key=st.binary(min_size=32, max_size=32),
    tool=st.just("tool"),
    tool_class=st.sampled_from(ToolClass),
    target=st.just("target"),
    content=st.just({}),
    state=worked_on,
    timeout=st.timedeltas(timedelta(seconds=1), timedelta(minutes=5)),
    quarantine=st.timedeltas(timedelta(), timedelta(hours=1)),
    resent=st.booleans(),
    absences=st.integers(0, 5),
    wait=waits,
)


def of_class(kind: ToolClass) -> st.SearchStrategy[Effect]:
    """Effects of one class of tool."""
    return effects.map(lambda effect: replace(effect, tool_class=kind))


attempts = st.integers(1, 30_000)
spreads = st.floats(0, 1, exclude_max=True)
policies = st.builds(retry.Policy, attempts=st.integers(1, 1_000), losses=st.integers(1, 100))
PATIENT = retry.Policy(attempts=100_000)


@given(known | bugs, attempts, st.none() | effects, policies, spreads)
def test_every_failure_has_an_end_that_can_be_saved(
    error: Exception, attempt: int, effect: Effect | None, policy: retry.Policy, spread: float
) -> None:
    """For every error there is an answer that the tables accept: a legal move, a reason, and no negative delay."""
    settlement = retry.decide(error, attempt, effect, policy, spread)
    assert settlement.delay >= timedelta()
    assert settlement.reason
    assert settlement.status in {Status.ACTIVE, Status.HELD, Status.DEAD}
    assert (settlement.status is Status.HELD) == (settlement.waits_on == "person")
    assert {Status.ACTIVE: "retry"}.get(settlement.status, settlement.status) == settlement.outcome
    assert (settlement.effect_state is None) == (effect is None)
    if effect is not None:
        moves = pipeline.EFFECT_MOVES[effect.state] | {effect.state}
        assert settlement.effect_state in moves


@given(known | bugs, attempts, st.none() | effects, policies, spreads)
def test_every_reason_can_be_stored(
    error: Exception, attempt: int, effect: Effect | None, policy: retry.Policy, spread: float
) -> None:
    """A reason fits into a text column, whatever the error says: no NUL, valid Unicode, bounded."""
    reason = retry.decide(error, attempt, effect, policy, spread).reason
    assert "\x00" not in reason
    assert len(reason.encode()) <= 10_000


doubtful = st.one_of(st.builds(errors.OutcomeUnknown, words), st.builds(errors.NeedsPerson, words), bugs)


@given(doubtful, attempts, of_class(ToolClass.BLIND), policies, spreads)
def test_an_unknown_outcome_of_a_blind_tool_is_held(
    error: Exception, attempt: int, effect: Effect, policy: retry.Policy, spread: float
) -> None:
    """What may have been committed, and cannot be asked, never goes on by itself."""
    settlement = retry.decide(error, attempt, effect, policy, spread)
    assert (settlement.status, settlement.effect_state) == (Status.HELD, EffectState.UNKNOWN)


@given(known | bugs, attempts, effects, policies, spreads)
def test_nothing_unknown_is_sent_again_without_two_absences(
    error: Exception, attempt: int, effect: Effect, policy: retry.Policy, spread: float
) -> None:
    """Of an effect that may be committed only the second absence in a row says that it may be planned again."""
    assume(effect.state is EffectState.UNKNOWN)
    settlement = retry.decide(error, attempt, effect, policy, spread)
    absent_twice = isinstance(error, errors.Absent) and effect.absences + 1 >= pipeline.ABSENCES_TO_RESEND
    assert (settlement.effect_state is EffectState.PLANNED) == absent_twice


@given(of_class(ToolClass.FINDABLE), attempts, spreads)
def test_a_lost_answer_waits_out_the_whole_quarantine(effect: Effect, attempt: int, spread: float) -> None:
    """A findable tool is asked no sooner than the quarantine after the call's deadline."""
    settlement = retry.decide(errors.OutcomeUnknown("reset"), attempt, effect, PATIENT, spread)
    assert settlement.delay >= effect.timeout + effect.quarantine


@given(attempts, st.none() | effects, spreads, waits)
def test_a_wait_that_was_asked_for_is_kept(attempt: int, effect: Effect | None, spread: float, wait: timedelta) -> None:
    """`Retry-After` is never cut short: the run goes on no sooner, or not by itself."""
    settlement = retry.decide(errors.NotSent("429", wait), attempt, effect, PATIENT, spread)
    assert settlement.delay >= wait or settlement.status is Status.HELD


@given(bugs, attempts, st.none() | effects, policies, spreads)
def test_what_nobody_expected_stops_at_once(
    error: Exception, attempt: int, effect: Effect | None, policy: retry.Policy, spread: float
) -> None:
    """A bug is not tried again: it goes to the dead letters, or to a person if something may have been committed."""
    settlement = retry.decide(error, attempt, effect, policy, spread)
    assert settlement.status is (Status.DEAD if effect is None else Status.HELD)
    assert type(error).__name__ in settlement.reason


@given(known, effects | st.none(), policies, spreads)
def test_every_run_ends_within_its_attempts(
    error: Exception, effect: Effect | None, policy: retry.Policy, spread: float
) -> None:
    """At the last attempt nothing goes on but a look-up that is still owed, and what another worker may do at once."""
    settlement = retry.decide(error, policy.attempts, effect, policy, spread)
    owed = isinstance(error, errors.Quarantined) or (isinstance(error, errors.Absent) and effect is not None)
    expired = isinstance(error, errors.ProcessExpired)
    assert owed or expired or settlement.status is not Status.ACTIVE
    assert settlement.counted is not (expired or isinstance(error, errors.Quarantined))


@given(attempts, spreads)
def test_delays_grow_up_to_a_bound(attempt: int, spread: float) -> None:
    """No delay is above the longest, none is below half of the first, and none is shorter than the one before."""
    policy = retry.Policy()
    assert policy.first / 2 <= policy.delay(attempt, spread) <= policy.longest
    assert policy.delay(attempt, spread) <= policy.delay(attempt + 1, spread)


@given(st.integers(0, 100), st.none() | effects, policies)
def test_a_run_that_kills_its_workers_is_stopped(losses: int, effect: Effect | None, policy: retry.Policy) -> None:
    """After so many losses in a row a run is dead, or held if something may have been committed."""
    settlement = retry.lost_too_often(losses, effect, policy)
    assert (settlement is not None) == (losses >= policy.losses)
    if settlement is not None:
        unsure = effect is not None and (effect.state is EffectState.UNKNOWN or effect.resent)
        assert settlement.status is (Status.HELD if unsure else Status.DEAD)
