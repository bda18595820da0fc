"""A comment in place of a second ticket: what it says, what guards know of it, and what comes in its place."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.tools.hostile import FORGED_KEYS, alive, hostile
from tests.unit.guarding import KEY, TICKET, request
from triage.errors import ApprovalNeeded, GuardRefused, Postponed, StoreUnavailable
from triage.guards import drafts
from triage.guards.chain import Known, guarded
from triage.guards.own_ticket import OwnTicket
from triage.guards.policy import Policy, Purpose
from triage.model import (
    Decision,
    Draft,
    Json,
    Kind,
    Made,
    Outlet,
    Outlets,
    Rate,
    Related,
    Report,
    Request,
    Sent,
    Severity,
    Stage,
    ToolClass,
    ToolSpec,
    on_ticket,
    ticket_in,
    ticket_of,
)
from triage.stages import steps
from triage.stages.comment import plan_comment, plan_instead
from triage.testing.shared import SharedMemory
from triage.testing.tools import RecordingTool
from triage.text.comment import LONGEST, comment_body, comment_document
from triage.text.cut import measure
from triage.text.flavours import JIRA_WIKI, MARKDOWN, TEXTILE
from triage.tools import marker

RUN = UUID("01890000-0000-7000-8000-000000000001")
ORIGINAL = Related(
    run_id=RUN,
    tool="tracker",
    target="here",
    ticket="5",
    url="https://tracker.example.org/5",
    title="White page",
    likeness=1.0,
    why="trace",
)
COMMENT = plan_comment(Draft("here", TICKET), ORIGINAL)
DECISION = Decision(
    kind=Kind.BUG, severity=Severity.LOW, title="White page", route="web", decided_by="rules", reason="always"
)
REPORT = Report(source="chat", source_id="7", title="White page")
COMMENTING = Outlets(Outlet("tracker", "here"), (), comments=Outlet("comment"))
SPEC = ToolSpec(
    "comment", ToolClass.KEYED, timedelta(seconds=10), target_rate=Rate(2, timedelta(hours=1)), beside="tracker"
)
LINE = marker.line(KEY)


def same(why: str, **content: Any) -> Json:
    """A comment's content for an original that is the same by this."""
    return plan_comment(Draft("here", {**TICKET, **content}), ORIGINAL.model_copy(update={"why": why})).content


def commenting(**changed: Any) -> Request:
    """An ordinary comment."""
    return request(content=COMMENT.content, target=COMMENT.target, **changed)


def test_targets_name_tickets() -> None:
    """A comment's target is taken apart again, whatever its place is called."""
    for place, ticket in (("acme/shop", "12"), ("#bugs", "T-1"), ("a#b", "OPS-7")):
        assert ticket_in(on_ticket(place, ticket)) == (place, ticket)


def test_a_comment_carries_its_ticket() -> None:
    """What a refused comment leaves to be filed is the ticket as it was planned, with what it is there for."""
    assert plan_instead(COMMENT.content) == ("tracker", Draft("here", {**TICKET, "instead_of": "here#5"}))
    assert plan_instead(TICKET) is None


def test_only_tickets_of_the_set_tracker_are_commented_on() -> None:
    """A decision names no ticket of another tool, nor any where the tracker takes no comments."""
    decision = DECISION.model_copy(update={"same_as": ORIGINAL})
    assert steps.settled(decision, COMMENTING) is decision
    assert steps.ticket(REPORT, decision, COMMENTING).draft.target == "here#5"
    for outlets in (Outlets(Outlet("tracker"), ()), Outlets(Outlet("other"), (), comments=Outlet("comment"))):
        assert steps.settled(decision, outlets).same_as is None


def test_the_runs_ticket_is_the_one_commented_on_or_its_own() -> None:
    """After a comment it is the original, after a refused one the run's own."""
    decision, own = DECISION.model_copy(update={"same_as": ORIGINAL}), Sent("6")
    original = Sent("5", "https://tracker.example.org/5")
    assert ticket_of(decision, [Made(Stage.CREATE_TICKET, "comment", Sent("c"))]) == (original, True)
    assert ticket_of(decision, [Made(Stage.CREATE_TICKET, "tracker", own)]) == (own, False)
    assert ticket_of(DECISION, [Made(Stage.CREATE_TICKET, "tracker", own)]) == (own, False)


@pytest.mark.parametrize("flavour", [MARKDOWN, JIRA_WIKI, TEXTILE], ids=lambda one: one.name)
def test_the_text_stands_below_where_it_is_another(flavour: Any) -> None:
    """The same text is not repeated; another one is shown under its title, and the marker ends both."""
    repeated = comment_body(same("text"), flavour, LONGEST, LINE)
    assert "with the same text" in repeated and TICKET["text"] not in repeated and TICKET["title"] not in repeated
    told = comment_body(same("trace"), flavour, LONGEST, LINE)
    assert "with the same stack trace" in told and TICKET["text"] in told and TICKET["title"] in told
    for text in (repeated, told):
        assert "Reported in" in text and text.endswith(LINE)


def test_a_document_says_the_same() -> None:
    """Jira Cloud's comment holds the same words, its marker as the last paragraph."""
    for why, shown in (("text", False), ("trace", True)):
        document = comment_document(same(why), LONGEST, LINE)
        assert (TICKET["text"] in json.dumps(document)) is shown
        assert document["content"][-1] == {"type": "paragraph", "content": [{"type": "text", "text": LINE}]}


def test_a_comment_is_bounded_and_keeps_its_marker() -> None:
    """The longest report makes a comment of bounded size that says it was cut and still ends with its marker."""
    long = same("trace", text="\U0001f41e" * 200_000, title="x" * 2_000, origin={"source": "y" * 2_000})
    for flavour in (MARKDOWN, JIRA_WIKI, TEXTILE):
        text = comment_body(long, flavour, LONGEST, LINE)
        assert measure(text, flavour.unit) <= LONGEST and text.endswith(LINE) and "[cut: " in text
    document = json.dumps(comment_document(long, LONGEST, LINE), ensure_ascii=False)
    assert len(document) <= LONGEST and LINE in document and "[cut: " in document


def test_a_comment_is_inert() -> None:
    """Hostile text calls nobody and forges no marker in a comment, as in a ticket."""
    attack = hostile(same("trace"))
    text = comment_body(attack, MARKDOWN, LONGEST, marker.comment(KEY))
    assert not list(alive("github", text, (r"(?m)^/close",)))
    assert not [forged for forged in FORGED_KEYS if f"triage-run:v1:{forged}" in text]
    assert marker.in_comment(text) == KEY


def test_odd_contents_break_nothing() -> None:
    """Whatever a content holds, a comment comes of it."""
    for odd in ({}, {"same_as": 7, "origin": []}, {"same_as": {}, "title": None, "text": 5}):
        assert comment_body(odd, MARKDOWN, LONGEST, LINE).endswith(LINE)
        assert LINE in json.dumps(comment_document(odd, LONGEST, LINE))


def house(shared: SharedMemory, tool: RecordingTool, policy: str = "", **known: Any) -> Any:
    """The tool behind all guards, with a policy of these fields."""
    given = Policy.model_validate({"name": "ours", **json.loads(policy or "{}")})
    knows = {"filed": lambda run, name, place, ticket: (run, name, place, ticket) == (RUN, "tracker", "here", "5")}
    return guarded(tool, policy=given, shared=shared, known=Known(frozenset({"here"}), **{**knows, **known}))


def test_a_comment_on_our_own_ticket_passes_all_guards() -> None:
    """A comment is judged as a ticket for the place of its ticket."""
    tool = RecordingTool(spec=SPEC)
    assert house(SharedMemory(), tool).send(commenting()) == Sent("R-1")
    with pytest.raises(GuardRefused, match="allowed targets"):
        house(SharedMemory(), tool).send(_at("elsewhere#5"))
    assert len(tool.sent) == 1


def _at(target: str, **original: Any) -> Request:
    content = {**COMMENT.content, "same_as": {**COMMENT.content["same_as"], **original}}
    return request(content=content, target=target)


@pytest.mark.parametrize(
    "forged",
    [
        _at("here#6"),
        _at("here#5", run_id="01890000-0000-7000-8000-000000000002"),
        _at("here#5", run_id="nonsense"),
        request(target="here#5"),
    ],
)
def test_tickets_that_we_did_not_file_are_left_alone(forged: Request) -> None:
    """A comment on anything but a ticket that the named run filed is refused for good."""
    tool = RecordingTool(spec=SPEC)
    with pytest.raises(GuardRefused, match="ticket"):
        house(SharedMemory(), tool).send(forged)
    assert tool.sent == []


def test_without_knowledge_nothing_is_ours() -> None:
    """Where nobody knows what we filed, or the store is away, nothing is commented on."""
    tool = RecordingTool(spec=SPEC)
    with pytest.raises(GuardRefused, match="no ticket that we filed"):
        house(SharedMemory(), tool, filed=None).send(commenting())

    def away(*_: object) -> bool:
        raise StoreUnavailable("away")

    with pytest.raises(Postponed, match="the guards cannot be asked"):
        house(SharedMemory(), tool, filed=away).send(commenting())
    with pytest.raises(StoreUnavailable):
        OwnTicket(tool, away).send(commenting())
    assert tool.sent == []


def test_comments_count_as_tickets() -> None:
    """Rates and budgets of the tracker hold for its comments too, by the place of the ticket."""
    shared, tool = SharedMemory(), RecordingTool(spec=SPEC)
    shared.take("tracker/here", Rate(2, timedelta(hours=1)))
    door = house(shared, tool, '{"limits": {"per_day": {"tracker": 5}}}')
    door.send(commenting())
    with pytest.raises(Postponed, match="tracker/here may be called 2 times"):
        door.send(commenting())
    spent, once = SharedMemory(), '{"limits": {"per_day": {"tracker": 1}}}'
    house(spent, tool, once).send(commenting())
    with pytest.raises(Postponed, match="tracker may be called 1 times a day"):
        house(spent, tool, once).send(commenting())


@pytest.mark.parametrize("name", ["tracker", "comment", "*"])
def test_switches_hold_comments(name: str) -> None:
    """The switch of the tracker holds its comments."""
    shared, tool = SharedMemory(), RecordingTool(spec=SPEC)
    shared.switch_off(name, "kim: night")
    with pytest.raises(Postponed, match="switched off"):
        house(shared, tool).send(commenting())


@pytest.mark.parametrize("rule", [{"tools": ["tracker"]}, {"tools": ["comment"]}, {"purposes": ["tickets"]}])
def test_leave_for_tickets_is_needed_for_comments(rule: Json) -> None:
    """Whatever asks a person about the tracker's tickets asks about its comments."""
    with pytest.raises(ApprovalNeeded):
        house(SharedMemory(), RecordingTool(spec=SPEC), json.dumps({"approval": rule})).send(commenting())


def test_the_ticket_in_place_of_a_comment_is_the_runs_first() -> None:
    """The bound of one ticket for each run holds for what comes in a refused comment's place, and for nothing more."""
    instead = plan_instead(COMMENT.content)
    assert instead is not None
    door = house(SharedMemory(), RecordingTool())
    assert door.send(request(content=instead[1].content, number=2)) == Sent("R-1")
    for content, number in ((instead[1].content, 3), (TICKET, 2)):
        with pytest.raises(GuardRefused, match="of its run"):
            door.send(request(content=content, number=number))


@pytest.mark.parametrize("same_as", [{}, 7, {"run_id": 5, "tool": "t", "target": "p", "ticket": "1"}])
def test_a_malformed_comment_is_refused(same_as: object) -> None:
    """A comment that does not say in the right form whose ticket it is about is no draft."""
    with pytest.raises(drafts.Malformed):
        drafts.read(Purpose.TICKETS, {**COMMENT.content, "same_as": same_as})
