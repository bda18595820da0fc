"""Guards over any draft: what passes keeps every bound, what is refused never leaves, and nothing is sent twice."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import find, given, settings
from hypothesis import strategies as st

from triage import clock, errors
from triage.guards.chain import Known, guarded
from triage.guards.judge import Surroundings, judge
from triage.guards.policy import Breaker, Limits, Policy
from triage.model import Request, Sent, Stage
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2031, 3, 24, 5, 0, tzinfo=UTC)
"""Six days before the clocks are changed in Berlin."""
TARGETS = frozenset({"here", "calendar"})
MINUTE = timedelta(minutes=1)
STRICT = Policy.model_validate(
    {
        "name": "strict",
        "events": {
            "domains": ["example.org"],
            "working_hours": "01:00-17:00",
            "working_days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sun"],
            "time_zone": "Europe/Berlin",
            "furthest": "10 d",
        },
        "approval": {"severities": ["critical"], "below_confidence": 0.5},
        "limits": {"per_day": {"recorder": 3}},
    }
)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)
moments = st.datetimes(datetime(2031, 3, 20), datetime(2031, 4, 10)).map(  # noqa: DTZ001 - gets its offset below
    lambda moment: moment.replace(microsecond=0)
)
offsets = st.sampled_from(["Z", "+00:00", "+02:00", "-11:30", ""])
starts = st.builds(lambda moment, offset: moment.isoformat() + offset, moments, offsets)
telling_starts = st.sampled_from(["2031-03-30T00:30:00Z", "2031-03-28T10:00:00Z"])
"""Half an hour before the clocks are changed, and a Friday in working hours."""
telling_minutes = st.integers(1, 130) | st.sampled_from([30, 60, 120, 121, 180])
addresses = st.sampled_from(["kim@example.org", "lee@EXAMPLE.ORG", "eve@evil.example", "kim", "a@example.org@b.org"])
links = st.sampled_from(["", "T-1", "https://tracker.example.org/8", "http://10.0.0.1/", "javascript:alert(1)"])
events = st.fixed_dictionaries(
    {"title": st.text(max_size=10) | st.just("Review"), "start": starts | anything, "minutes": st.integers(-5, 200)},
    optional={
        "attendees": st.lists(addresses, max_size=7) | anything,
        "link": links,
        "text": st.text(max_size=10),
        "follow_up": st.sampled_from(["calendar.block", "refund"]),
        "amount": st.just(5),
    },
)
fine_events = st.fixed_dictionaries(
    {"title": st.just("Review"), "start": starts | telling_starts, "minutes": telling_minutes},
    optional={"attendees": st.lists(addresses, max_size=6), "link": links},
)
contents = (
    st.builds(
        lambda title, more: {**more, "title": title, "text": title},
        st.text(max_size=5),
        st.dictionaries(st.text(), anything),
    )
    | events
    | fine_events
    | anything
)
requests = st.builds(
    Request,
    key=st.just("ab" * 32),
    target=st.sampled_from(["here", "calendar", "there", ""]),
    content=contents,
    deadline=st.floats(-1, 20).map(lambda left: clock.now() + left),
    stage=st.sampled_from(list(Stage)),
    number=st.integers(-1, 4),
    severity=st.sampled_from(["", "high", "critical"]),
    confidence=st.floats(0, 1) | st.just(float("nan")),
)
in_time = st.builds(lambda: clock.now() + 20)
blocks = st.builds(
    Request,
    st.just("ab" * 32),
    st.just("calendar"),
    fine_events,
    in_time,
    st.just(Stage.FOLLOW_UP),
    severity=st.just("low"),
)
tickets = st.builds(
    Request,
    key=st.just("cd" * 32),
    target=st.just("here"),
    content=st.just({"title": "White page"}),
    deadline=in_time,
    severity=st.sampled_from(["low", "critical"]),
    confidence=st.sampled_from([1.0, 0.5, 0.49]),
)
AROUND = Surroundings(NOW, TARGETS)


def allowed(request: Request) -> bool:
    """Whether the strict policy lets it through."""
    return judge(STRICT, request, AROUND).allowed


def minutes_of(content: dict[str, Any]) -> Iterator[datetime]:
    """Each minute of a block, as the clocks in Berlin show it."""
    start = datetime.fromisoformat(content["start"]).astimezone(UTC)
    for minute in range(content["minutes"]):
        yield (start + minute * MINUTE).astimezone(BERLIN)


@settings(deadline=None)
@given(requests)
def test_any_request_is_judged(request: Request) -> None:
    """Whatever a request holds, it is allowed, or refused by a rule that is named with a reason."""
    verdict = judge(STRICT, request, AROUND)
    assert verdict.allowed == (not verdict.rule) == (not verdict.why)
    assert len(verdict.rule) <= 200 and len(verdict.why) <= 400
    assert judge(STRICT, request, AROUND) == verdict


@settings(deadline=None)
@given(requests | blocks)
def test_what_passes_keeps_the_bounds_of_all_purposes(request: Request) -> None:
    """Whatever passes goes to an allowed target, is within the run's number, and has its text."""
    if not allowed(request):
        return
    content = request.content
    assert request.target in TARGETS
    assert 1 <= request.number <= {Stage.CREATE_TICKET: 1, Stage.NOTIFY: 2, Stage.FOLLOW_UP: 1}[request.stage]
    assert content.get("link", "") in {"", "T-1", "https://tracker.example.org/8"}
    assert content["text" if request.stage is Stage.NOTIFY else "title"].strip()


@settings(deadline=None, max_examples=300)
@given(blocks | st.builds(Request, st.just(""), st.just("here"), events, st.just(0.0), st.just(Stage.FOLLOW_UP)))
def test_a_block_that_passes_keeps_the_bounds_of_events(request: Request) -> None:
    """Each minute of a block that passes is in working hours, and everything else about it is within its bound."""
    if not allowed(request):
        return
    content = request.content
    assert content.keys() <= {"title", "start", "minutes", "attendees", "link", "text", "follow_up"}
    assert content.get("follow_up", "calendar.block") == "calendar.block"
    assert 1 <= content["minutes"] <= 120
    assert NOW <= datetime.fromisoformat(content["start"]) <= NOW + timedelta(days=10)
    assert len(content.get("attendees", [])) <= 5
    assert all(address.lower().split("@")[1:] == ["example.org"] for address in content.get("attendees", []))
    shown = list(minutes_of(content))
    assert all(1 <= minute.hour < 17 and minute.weekday() != 5 for minute in shown)
    assert len({minute.date() for minute in shown}) == len({minute.utcoffset() for minute in shown}) == 1


def test_blocks_do_pass() -> None:
    """The strategy above makes blocks that pass, also with attendees, so that its assertions are not about nothing."""
    assert find(blocks, lambda request: allowed(request) and bool(request.content.get("attendees")))


@settings(deadline=None)
@given(
    st.lists(requests | blocks | tickets, min_size=1, max_size=6),
    st.lists(
        st.sampled_from(
            [
                Sent("R-1"),
                errors.OutcomeUnknown("lost"),
                errors.NotSent("429", timedelta(seconds=5)),
                errors.NotSent("nobody answers"),
                errors.Refused("422"),
            ]
        ),
        min_size=1,
    ),
    st.sets(st.sampled_from(["tool", "failed", "succeeded", "probe", "take", "block"])),
)
def test_a_tool_is_called_at_most_once_and_only_when_nobody_refuses(
    asked: list[Request], answers: list[Sent | Exception], away: set[str]
) -> None:
    """Each call reaches the tool once, unchanged, with its answer unchanged, or not at all: whatever else is down."""
    tool, shared = RecordingTool(*answers), SharedMemory()
    quick = {"limits": Limits(per_minute={"recorder": 4}), "breaker": Breaker(threshold=2)}
    policy = STRICT.model_copy(update=quick)
    guard = guarded(tool, policy=policy, shared=shared, known=Known(TARGETS, now=lambda: NOW))
    shared.away = away
    for request in asked:
        before = len(tool.sent)
        told: Sent | Exception
        try:
            told = guard.send(request)
        except errors.TriageError as error:
            told = error
        reached = tool.sent[before:]
        assert reached in ([], [request])
        if reached:
            assert told is answers[min(before, len(answers) - 1)]
            assert allowed(request) and not away & {"tool", "take"}
            assert request.severity != "critical" and request.confidence >= 0.5
        else:
            assert isinstance(
                told, errors.StoreUnavailable | errors.GuardRefused | errors.Postponed | errors.ApprovalNeeded
            )
