"""What happened, in sentences, and times as people type them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from triage import story
from triage.cli import explain
from triage.cli.frame import Misused
from triage.model import Status
from triage.store.history import Count, During, Entry, Touched
from triage.store.runs import RunLine

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 17, 14, 47, 3, tzinfo=UTC)
RUN = UUID("019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b")
RECEIVED = Entry(AT, "received", detail={"source": "crm", "source_id": "4711", "title": "Export crashes"})
DECISION = {
    "kind": "bug",
    "severity": "high",
    "component": "export",
    "route": "payments",
    "decided_by": "rules",
    "reason": "crash in the title.",
    "versions": {"rules": "7"},
}
SENTENCES = [
    (RECEIVED, "On Tuesday, 17 November 2026 at 15:47:03 crm 4711 came in: “Export crashes”."),
    (
        Entry(AT, "attempt", "triage", "host:7", outcome="finished", detail={"decision": DECISION, "seconds": 0.034}),
        (
            "At 15:47:03 worker host:7 decided in 34 ms: bug, high, export, for payments; by rules (rules 7), "
            "because: crash in the title."
        ),
    ),
    (
        Entry(
            AT,
            "ask",
            "triage",
            tool="gpt-x",
            outcome="settled",
            cost=1_200,
            detail={"prompt": "choose@3", "input_tokens": 1500, "output_tokens": 120},
        ),
        "At 15:47:03 gpt-x was asked (prompt choose@3): 1,500 tokens in, 120 out; it cost $0.0012.",
    ),
    (
        Entry(AT, "ask", tool="gpt-x", outcome="unaccounted", cost=5_000, detail={"prompt": "choose@3"}),
        "At 15:47:03 gpt-x was asked (prompt choose@3), and what it answered is lost; $0.0050 counts as spent.",
    ),
    (
        Entry(
            AT,
            "attempt",
            "create_ticket",
            "host:7",
            "github",
            "finished",
            link="https://github.com/a/b/1",
            detail={"target": "a/b", "seconds": 0.5, "attempt": 2, "dropped": ["labels"]},
        ),
        (
            "At 15:47:03 worker host:7 filed the ticket with github (a/b) in 500 ms, in attempt 2: "
            "https://github.com/a/b/1; left out there: labels."
        ),
    ),
    (
        Entry(AT, "attempt", "create_ticket", "w", "github", "retry", "no", detail={"attempt": 1}),
        "At 15:47:03 filing the ticket with github did not succeed in attempt 1, and was to be tried again: no.",
    ),
    (
        Entry(AT, "attempt", "notify", "w", "slack", "lost"),
        "At 15:47:03 worker w was found dead in the middle of telling people with slack; another one was to go on.",
    ),
    (
        Entry(AT, "attempt", "follow_up", "w", "calendar", "finished", "it lasts 3 h (events.longest)"),
        (
            "At 15:47:03 the follow-up with calendar was refused, and the run went on without it: "
            "it lasts 3 h (events.longest)."
        ),
    ),
    (
        Entry(AT, "approval", "notify", tool="slack", outcome="asked", reason="r", detail={"approval": 3, "people": 2}),
        "At 15:47:03 leave was asked for (approval 3, of 2 people) to call slack: r.",
    ),
    (Entry(AT, "event", who="anna", outcome="denied", reason="no"), "At 15:47:03 anna denied leave: no."),
    (
        Entry(AT, "event", who="anna", outcome="corrected", detail={"field": "kind", "was": "bug", "now": "feature"}),
        "At 15:47:03 anna corrected the kind from “bug” to “feature”.",
    ),
    (
        Entry(AT, "call", "notify", tool="slack", outcome="unknown", detail={"target": "C1"}),
        "At 15:47:03 slack (C1) was called for the last time; what became of that is not known.",
    ),
    (
        Entry(AT, "tool", who="anna", tool="*", outcome="disabled", reason="fire"),
        "At 15:47:03 anna put every tool out of service: fire.",
    ),
    (Entry(AT, "tool", tool="slack", outcome="opened", reason="503"), "At 15:47:03 the breaker of slack opened: 503."),
    (
        Entry(AT + timedelta(days=1, seconds=-3), "ended", outcome="done"),
        "On Wednesday, 18 November 2026 at 15:47:00 it was done, 24 h after it came in.",
    ),
]


@pytest.mark.parametrize(("entry", "text"), SENTENCES, ids=lambda value: value.what if isinstance(value, Entry) else "")
def test_what_happened_is_a_sentence(entry: Entry, text: str) -> None:
    """An entry is told in words with its time, reason, cost and link; the day is said where it changes."""
    entries = [entry] if entry is RECEIVED else [RECEIVED, entry]
    assert story.sentences(entries, BERLIN)[-1].text == text


def line(**fields: Any) -> RunLine:
    """A run that is done unless `fields` say otherwise."""
    given: dict[str, Any] = dict.fromkeys(RunLine.model_fields) | {
        "id": RUN,
        "source": "crm",
        "source_id": "4711",
        "report_kind": "bug",
        "status": Status.DONE,
        "checkpoint": "done",
        "due": AT,
        "attempt": 1,
        "fence": 1,
        "created_at": AT,
        "finished_at": AT + timedelta(seconds=2),
    }
    return RunLine.model_validate(given | fields)


def test_a_run_is_summed_up_in_a_sentence() -> None:
    """What came of it, why, how long it took and what it cost come first."""
    tried = [RECEIVED, Entry(AT, "ask", cost=1_200), Entry(AT, "attempt"), Entry(AT, "attempt")]
    assert story.summary(line(), tried) == "The run of crm 4711 is done after 2 s. It took 2 attempts and $0.0012."
    held = line(status=Status.HELD, checkpoint="triaged", reason="its answer was lost.", finished_at=None)
    assert (
        story.summary(held, tried[:1])
        == "The run of crm 4711 waits for a person (its answer was lost). It took 0 attempts so far."
    )
    active = line(status=Status.ACTIVE, checkpoint="triaged", finished_at=None, waits_on="tool")
    assert "goes on by itself; it waits for the other system" in story.summary(active, tried)


def during(*counts: Count, runs: tuple[Touched, ...] = (), tools: tuple[Entry, ...] = ()) -> During:
    """Five minutes of a Tuesday."""
    return During(AT, AT + timedelta(minutes=5), counts, runs, 0, tools)


def test_a_time_is_answered_with_sums_first() -> None:
    """Reports by source, decisions, tickets, trouble, refusals, money and people have a sentence each."""
    counts = (
        Count("received", "crm", "", 3, 0),
        Count("received", "mail", "", 1, 0),
        Count("decided", "rules", "bug", 2, 0),
        Count("decided", "llm", "bug", 1, 0),
        Count("attempt", "create_ticket", "finished", 1_000, 0),
        Count("attempt", "notify", "finished", 1, 0),
        Count("attempt", "follow_up", "refused", 2, 0),
        Count("attempt", "notify", "retry", 1, 0),
        Count("attempt", "create_ticket", "lost", 2, 0),
        Count("done", "", "", 1, 0),
        Count("asked", "gpt-x", "", 2, 2_400),
        Count("event", "", "cancelled", 1, 0),
        Count("approval", "", "", 2, 0),
    )
    tools = (Entry(AT, "tool", who="anna", tool="slack", outcome="disabled", reason="fire"),)
    assert story.answer(during(*counts, tools=tools), BERLIN).summary == (
        "On Tuesday, 17 November 2026, from 15:47:03 until 15:52:03 CET:",
        "4 reports came in: 3 from crm and 1 from mail.",
        "3 reports were decided: 2 by rules and 1 by llm (3 bug).",
        "1,000 tickets filed, 1 notice sent and 1 run brought to the end.",
        "1 attempt to be made again and 2 attempts lost with their workers.",
        "2 calls refused; the runs went on without.",
        "Models were asked 2 times, which cost $0.0024 (gpt-x $0.0024).",
        "What people did: 1 run cancelled.",
        "2 calls had to wait for a person's leave.",
        "At 15:47:03 anna put slack out of service: fire.",
    )


def test_a_quiet_time_is_told_in_one_sentence() -> None:
    """Where nothing happened, just that is said."""
    answer = story.answer(during(), BERLIN)
    assert answer.summary == (
        "On Tuesday, 17 November 2026, from 15:47:03 until 15:52:03 CET, nothing was done and no report came in.",
    )
    assert answer.lines == ()


def test_a_run_is_one_line() -> None:
    """A run's line has what happened to it in that time alone, its cost and its ticket."""
    tried = (
        ("triage", "finished", None),
        ("create_ticket", "retry", "status 503"),
        ("create_ticket", "finished", None),
        ("follow_up", "finished", "too long (events.longest)"),
    )
    run = Touched(
        AT, RUN, "crm", "4711", "Export\ncrashes", "done", True, "bug", "high", "rules", "https://t/1", 1_200, tried, ()
    )
    (told,) = story.answer(during(runs=(run,)), BERLIN).lines
    assert told.link == "https://t/1"
    assert told.text == (
        "15:47:03 crm 4711 “Export crashes”: came in, decided bug, high by rules, create_ticket to be tried again "
        "(status 503), ticket filed, follow_up refused (too long (events.longest)), done; $0.0012; https://t/1"
    )


NOW = datetime(2026, 11, 18, 10, 0, tzinfo=BERLIN)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-17 15:47", datetime(2026, 11, 17, 15, 47, tzinfo=BERLIN)),
        ("2026-11-17T15:47:30+00:00", datetime(2026, 11, 17, 15, 47, 30, tzinfo=UTC)),
        ("9:05", datetime(2026, 11, 18, 9, 5, tzinfo=BERLIN)),
        ("Tuesday 3:47 pm", datetime(2026, 11, 17, 15, 47, tzinfo=BERLIN)),
        ("tuesday at 3:47pm", datetime(2026, 11, 17, 15, 47, tzinfo=BERLIN)),
        ("yesterday 15:47", datetime(2026, 11, 17, 15, 47, tzinfo=BERLIN)),
        ("wednesday 12:00 am", datetime(2026, 11, 18, 0, 0, tzinfo=BERLIN)),
        ("wednesday 15:47", datetime(2026, 11, 11, 15, 47, tzinfo=BERLIN)),
        ("thursday 15:47:09", datetime(2026, 11, 12, 15, 47, 9, tzinfo=BERLIN)),
    ],
)
def test_a_time_is_what_people_mean(text: str, meant: datetime) -> None:
    """A named day is the last one of that name, whose time has passed."""
    assert explain.moment(text, BERLIN, NOW) == meant


@pytest.mark.parametrize("text", ["", "soon", "25:00", "13:00 pm", "0:10 am", "15:61", "15:10:99", "someday 15:47"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """What cannot be understood is not guessed."""
    with pytest.raises(Misused, match="no time"):
        explain.moment(text, BERLIN, NOW)


@pytest.mark.parametrize(("text", "span"), [("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86_400), (" 5 M ", 300)])
def test_a_span_is_a_number_with_its_unit(text: str, span: int) -> None:
    """Seconds, minutes, hours, up to a day."""
    assert explain.length(text) == timedelta(seconds=span)


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "-5m", "2d", "999999h", "1.5h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """Nothing, less than nothing, and more than a day are refused."""
    with pytest.raises(Misused, match="no span"):
        explain.length(text)
