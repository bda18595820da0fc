"""Errors travel between processes and say whether trying again can help."""

import pickle
from datetime import timedelta

import pytest

from triage import errors

ALL = [
    errors.InvalidReport("title", "is empty"),
    errors.InvalidCorrection("kind: 'wish' is none of bug, crash"),
    errors.InvalidSetting("TRIAGE_SLOTS: no number"),
    errors.RunNotFound("there is no run 5"),
    errors.NotAllowed("the run is done"),
    errors.StoreUnavailable("Postgres did not answer"),
    errors.BrokerUnavailable("the broker did not answer"),
    errors.ProcessExpired("too late"),
    errors.NotSent("429", timedelta(seconds=7)),
    errors.NotSent("refused"),
    errors.OutcomeUnknown("reset"),
    errors.Refused("422"),
    errors.Quarantined("too early", timedelta(seconds=9)),
    errors.Absent("not there"),
    errors.NeedsPerson("ask somebody"),
    errors.Postponed("the tool is out of service", timedelta(seconds=30), "switch"),
    errors.GuardRefused("a block of 9 h", "events.longest = 2 h"),
    errors.ApprovalNeeded("it is critical", b"0" * 32, 2, timedelta(hours=24)),
]
RETRYABLE = {
    "StoreUnavailable",
    "BrokerUnavailable",
    "ProcessExpired",
    "NotSent",
    "Postponed",
    "OutcomeUnknown",
    "Quarantined",
    "Absent",
}


def every_class(root: type[errors.TriageError]) -> set[str]:
    """The names of all errors below this one in their own module; who else raises some tests them there."""
    here = [kind for kind in root.__subclasses__() if kind.__module__ == errors.__name__]
    return {name for kind in here for name in {kind.__name__, *every_class(kind)}}


@pytest.mark.parametrize("error", ALL, ids=repr)
def test_an_error_survives_the_way_to_another_process(error: errors.TriageError) -> None:
    """After pickling, class, words and every field are the same."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copy) is type(error)
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize("error", ALL, ids=repr)
def test_an_error_says_whether_trying_again_can_help(error: errors.TriageError) -> None:
    """Exactly those that may pass by themselves are retryable."""
    assert error.retryable == (type(error).__name__ in RETRYABLE)


def test_no_error_is_forgotten_here() -> None:
    """Every error that the product raises on purpose is in the list above."""
    assert every_class(errors.TriageError) - {"ToolError"} == {type(error).__name__ for error in ALL}
