"""What the policy says to drafts: ordinary ones, and those that a misled model or a bug would make."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.guarding import EVENT, MONDAY, NOTICE, TICKET, event, policy, request
from triage.errors import GuardRefused, NotSent, StoreUnavailable
from triage.guards.enforce import PolicyGuard
from triage.guards.judge import Surroundings, judge
from triage.guards.policy import Policy
from triage.model import LiveValues, Request, Stage
from triage.testing.tools import RecordingTool

OURS = Policy.model_validate({"name": "ours", "events": {"domains": ["example.org"]}})
AROUND = Surroundings(MONDAY, frozenset({"here"}))
TOO_DEEP: Any = None
for _ in range(3_000):
    TOO_DEEP = [TOO_DEEP]


def berlin(hours: str = "09:00-17:00") -> Policy:
    """Make a policy with working hours in Berlin, at weekends too."""
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    bounds = {"working_hours": hours, "working_days": days, "time_zone": "Europe/Berlin", "furthest": "3650 d"}
    return Policy.model_validate({"name": "berlin", "events": {**bounds, "domains": ["example.org"]}})


@pytest.mark.parametrize("stage", [Stage.CREATE_TICKET, Stage.NOTIFY, Stage.FOLLOW_UP])
def test_what_stages_plan_is_allowed(stage: Stage) -> None:
    """The ordinary ticket, notice and calendar block are allowed."""
    assert judge(OURS, request(stage), AROUND).why == ""
    assert judge(OURS, request(stage), AROUND).allowed


@pytest.mark.parametrize(
    ("draft", "rule", "why"),
    [
        pytest.param(event(minutes=540), "events.longest = 2 h", "it lasts 9 h", id="nine hours"),
        pytest.param(event(minutes=121), "events.longest = 2 h", "it lasts 121 min", id="a minute too long"),
        pytest.param(
            event(attendees=[f"p{number}@example.org" for number in range(40)]),
            "events.most_attendees = 5",
            "it has 40 attendees",
            id="forty attendees",
        ),
        pytest.param(
            event(attendees=["kim@example.org", "eve@evil.example"]),
            'events.domains = ["example.org"]',
            "an attendee is at 'evil.example'",
            id="foreign domain",
        ),
        pytest.param(
            event(attendees=["kim@example.org.evil.example"]),
            'events.domains = ["example.org"]',
            "an attendee is at 'example.org.evil.example'",
            id="domain that only begins alike",
        ),
        pytest.param(
            event(attendees=["kim@sub.example.org"]),
            'events.domains = ["example.org"]',
            "an attendee is at 'sub.example.org'",
            id="subdomain",
        ),
        pytest.param(
            request(target="prod-secrets"),
            "tickets.targets = []",
            "'prod-secrets' is not among the allowed targets",
            id="unknown project",
        ),
        pytest.param(request(number=20), "tickets.per_run = 1", "it is number 20 of its run", id="twentieth ticket"),
        pytest.param(request(number=0), "tickets.per_run = 1", "it is number 0 of its run", id="number nought"),
        pytest.param(
            request(Stage.NOTIFY, number=3), "notices.per_run = 2", "it is number 3 of its run", id="third notice"
        ),
        pytest.param(
            event(follow_up="refund.issue", amount=500),
            'follow_ups.kinds = ["calendar.block"]',
            "there is no tool for 'refund.issue'",
            id="refund",
        ),
        pytest.param(
            event(follow_up=["calendar.block"]),
            'follow_ups.kinds = ["calendar.block"]',
            "there is no tool for \"['calendar.block']\"",
            id="kind that is no text",
        ),
        pytest.param(event(amount=500), "events: amount", "Extra inputs are not permitted", id="invented field"),
        pytest.param(request(Stage.TRIAGE, {}), "stage", "the stage triage sends nothing", id="stage without a tool"),
        pytest.param(event(start="2031-05-05T07:59:59Z"), "events.start", "it begins in the past", id="past"),
        pytest.param(
            event(start="9999-12-31T23:59:00Z"), "events.furthest = 90 d", "it begins on 9999-12-31", id="end of time"
        ),
        pytest.param(
            event(start="0001-01-01T00:00:00+23:59"), "events.start", "it begins in the past", id="dawn of time"
        ),
        pytest.param(
            event(start="2031-05-10T10:00:00Z"),
            'events.working_days = ["Mon", "Tue", "Wed", "Thu", "Fri"]',
            "it is on a Saturday in UTC",
            id="weekend",
        ),
        pytest.param(
            event(start="2031-05-05T23:30:00Z"),
            "events.working_hours = 09:00-17:00",
            "it lasts from 23:30 to 00:30 in UTC",
            id="crossing midnight",
        ),
        pytest.param(
            event(start="2031-05-05T16:30:00Z"),
            "events.working_hours = 09:00-17:00",
            "it lasts from 16:30 to 17:30 in UTC",
            id="after work",
        ),
        pytest.param(
            event(start="2031-05-05T10:00:00+02:00"),
            "events.working_hours = 09:00-17:00",
            "it lasts from 08:00 to 09:00 in UTC",
            id="working hours of somewhere else",
        ),
    ],
)
def test_a_hostile_draft_is_refused_by_a_line(draft: Request, rule: str, why: str) -> None:
    """Each hostile draft is refused, naming the line of the policy that decided, and why."""
    verdict = judge(OURS, draft, AROUND)
    assert (verdict.allowed, verdict.rule, verdict.why) == (False, rule, why)


@pytest.mark.parametrize(
    ("draft", "rule"),
    [
        (request(content=[]), "tickets: the draft"),
        (request(content={}), "tickets: title"),
        (request(content={**TICKET, "title": " \n"}), "tickets: title"),
        (request(content={**TICKET, "title": 7}), "tickets: title"),
        (request(content={**TICKET, "title": "x" * 2_001}), "tickets: title"),
        (request(content={**TICKET, "text": None}), "tickets: text"),
        (request(content={**TICKET, "text": "x" * 250_001}), "tickets: text"),
        (request(content={**TICKET, "labels": "bug"}), "tickets: labels"),
        (request(content={**TICKET, "labels": ["bug"] * 101}), "tickets: labels"),
        (request(content={**TICKET, "labels": [{}]}), "tickets: labels.0"),
        (request(content={**TICKET, "origin": "chat"}), "tickets: origin"),
        (request(content={**TICKET, "newer": "x" * 1_000_001}), "tickets: the draft"),
        (request(content={**TICKET, "newer": float("nan")}), "tickets: the draft"),
        (request(content={**TICKET, "newer": {1, 2}}), "tickets: the draft"),
        (request(content={**TICKET, "newer": "\ud800"}), "tickets: the draft"),
        (request(content={**TICKET, "newer": 10**5_000}), "tickets: the draft"),
        (request(content={**TICKET, "newer": TOO_DEEP}), "tickets: the draft"),
        (request(Stage.NOTIFY, {**NOTICE, "text": ""}), "notices: text"),
        (request(Stage.NOTIFY, {**NOTICE, "thread": 5}), "notices: thread"),
        (request(Stage.NOTIFY, {**NOTICE, "link": ["https://tracker.example.org/8"]}), "notices: link"),
        (event(minutes=float("nan")), "events: the draft"),
        (event(minutes=0), "events: minutes"),
        (event(minutes=-30), "events: minutes"),
        (event(minutes=30.0), "events: minutes"),
        (event(minutes="30"), "events: minutes"),
        (event(minutes=True), "events: minutes"),
        (event(minutes=10**30), "events: minutes"),
        (event(start="2031-05-05T10:00:00"), "events: start"),
        (event(start="2031-05-05"), "events: start"),
        (event(start="2031-13-05T10:00:00Z"), "events: start"),
        (event(start="2031-W19-1T10:00:00Z"), "events: start"),
        (event(start="\uff12031-05-05T10:00:00Z"), "events: start"),
        (event(start="2031-05-05T10:00:00Z\n"), "events: start"),
        (event(start="2031-05-05T10:00:00+00:00:30"), "events: start"),
        (event(start="tomorrow at ten"), "events: start"),
        (event(start=1_935_741_600), "events: start"),
        (event(attendees="kim@example.org"), "events: attendees"),
        (event(attendees=["Kim <kim@example.org>"]), "events: attendees.0"),
        (event(attendees=["kim@example.org,eve@evil.example"]), "events: attendees.0"),
        (event(attendees=["kim@example.org\nBcc: eve@evil.example"]), "events: attendees.0"),
        (event(attendees=["kim@example.org\n"]), "events: attendees.0"),
        (event(attendees=["eve@evil.example@example.org"]), "events: attendees.0"),
        (event(attendees=["mailto:kim@example.org"]), "events: attendees.0"),
        (event(attendees=[None]), "events: attendees.0"),
    ],
)
def test_a_malformed_draft_is_refused_by_its_field(draft: Request, rule: str) -> None:
    """Wrong types, sizes and forms are refused, naming the field."""
    verdict = judge(OURS, draft, AROUND)
    assert (verdict.allowed, verdict.rule) == (False, rule)
    assert verdict.why


@pytest.mark.parametrize(
    "draft",
    [
        event(minutes=120),
        event(start="2031-05-05T09:00:00Z"),
        event(start="2031-05-05T16:00:00Z"),
        event(start="2031-05-05T10:00Z"),
        event(start="2031-05-05T10:00:00.5+00:00"),
        event(attendees=[]),
        event(attendees=[f"p{number}@EXAMPLE.org" for number in range(5)]),
        request(Stage.NOTIFY, number=2),
        request(content={**TICKET, "newer": "from a newer version's stage"}),
        request(content={"title": "x", "text": '"' * 200_000}),
    ],
)
def test_what_just_fits_is_allowed(draft: Request) -> None:
    """Each bound allows what reaches it without crossing it."""
    assert judge(OURS, draft, AROUND).why == ""


@pytest.mark.parametrize(
    ("start", "minutes", "hours", "why"),
    [
        ("2032-03-28T07:00:00Z", 60, "09:00-17:00", ""),  # 9 o'clock in summer time, which began that night
        ("2032-03-27T07:00:00Z", 60, "09:00-17:00", "it lasts from 08:00 to 09:00 in Europe/Berlin"),
        ("2032-03-28T00:30:00Z", 60, "01:00-05:00", "the clocks are changed while it lasts"),
        ("2032-10-31T00:30:00Z", 60, "01:00-05:00", "the clocks are changed while it lasts"),
        ("2032-10-31T22:00:00Z", 60, "20:00-24:00", ""),
        ("2032-10-31T22:01:00Z", 60, "20:00-24:00", "it lasts from 23:01 to 00:01 in Europe/Berlin"),
    ],
)
def test_working_hours_are_what_the_clocks_show_there(start: str, minutes: int, hours: str, why: str) -> None:
    """Hours are judged by the clocks of the policy's time zone, in summer and in winter, up to midnight."""
    assert judge(berlin(hours), event(start=start, minutes=minutes), AROUND).why == why


def test_no_domains_means_no_attendees() -> None:
    """The shipped policy allows calendar blocks, but nobody can be invited to them."""
    assert judge(Policy.load(), event(attendees=[]), AROUND).allowed
    assert judge(Policy.load(), event(), AROUND).rule == "events.domains = []"


def test_allowed_targets_take_the_place_of_the_set_ones(tmp_path: Path) -> None:
    """A list of targets replaces those that are set, `*` allows any, and no list allows only those that are set."""
    listed, anything = (policy(tmp_path, f"[tickets]\ntargets = {targets}") for targets in (["there"], ["*"]))
    assert judge(listed, request(target="there"), AROUND).allowed
    assert not judge(listed, request(target="here"), AROUND).allowed
    assert judge(anything, request(target="anywhere"), AROUND).allowed
    assert not judge(OURS, request(), Surroundings(MONDAY)).allowed


def test_what_the_other_system_does_not_have_is_refused(tmp_path: Path) -> None:
    """A target must be allowed and be there now; where the other system cannot be asked, allowed is enough."""
    anything = policy(tmp_path, '[tickets]\ntargets = ["*"]')
    gone = Surroundings(MONDAY, AROUND.targets, values=LiveValues(targets=frozenset({"there"})))
    verdict = judge(OURS, request(), gone)
    assert (verdict.rule, verdict.why) == ("tickets.targets = []", "the other system has no 'here' now")
    assert judge(anything, request(target="there"), gone).allowed
    assert not judge(anything, request(target="nowhere"), gone).allowed


def test_a_refusal_is_final_and_names_the_policy() -> None:
    """What is refused never reaches the tool, and the error names rule, reason and version."""
    tool = RecordingTool()
    guard = PolicyGuard(tool, OURS, targets=AROUND.targets, now=lambda: MONDAY)
    with pytest.raises(GuardRefused) as caught:
        guard.send(event(minutes=540))
    assert caught.value.rule == "events.longest = 2 h"
    assert str(caught.value) == f"refused by the policy {OURS.version}: it lasts 9 h (events.longest = 2 h)"
    assert not caught.value.retryable
    assert tool.sent == []
    assert guard.send(event()).remote_id == "R-1"


@pytest.mark.parametrize("error", [NotSent("the tracker did not answer"), StoreUnavailable("Postgres is away")])
def test_without_the_other_systems_values_nothing_is_sent(error: Exception) -> None:
    """If the values cannot be told, that error leaves as it is, and the tool is not called."""

    def values() -> LiveValues:
        raise error

    tool = RecordingTool()
    with pytest.raises(type(error)) as caught:
        PolicyGuard(tool, OURS, targets=AROUND.targets, values=values).send(request())
    assert caught.value is error
    assert tool.sent == []


def test_the_values_are_asked_with_every_call() -> None:
    """A project that was closed since the last call is refused with the next one."""
    there = {"here"}
    guard = PolicyGuard(
        RecordingTool(), OURS, targets=AROUND.targets, values=lambda: LiveValues(targets=frozenset(there))
    )
    guard.send(request())
    there.clear()
    with pytest.raises(GuardRefused, match="has no 'here' now"):
        guard.send(request())


def test_events_are_judged_by_the_time_of_day() -> None:
    """The guard itself takes the real time: a block in an hour's time of long ago is in the past."""
    with pytest.raises(GuardRefused, match="it begins in the past"):
        PolicyGuard(RecordingTool(), OURS, targets=AROUND.targets).send(event(start="2020-01-06T10:00:00Z"))


def test_the_event_of_the_other_tests_is_an_hour_long() -> None:
    """The ordinary block begins two hours from now, so that only what a test changes can be refused."""
    assert EVENT["minutes"] == 60
    assert EVENT["start"] == (MONDAY + timedelta(hours=2)).isoformat()
