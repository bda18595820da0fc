"""May this request be sent? Pure: the same answer for the same policy, request and surroundings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from triage.guards import drafts, events, links
from triage.guards.no_such_tool import no_tool_for
from triage.guards.policy import ANY, PURPOSES, Policy, Purpose
from triage.model import LiveValues, Request


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: what decided (a line of the policy, or what is checked always) and why; both empty if allowed."""

    allowed: bool
    rule: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What judging must know beside the policy: the time (aware) and what is set up.

    `targets` are those that are set for the tool, `hosts` those of the set tools' own addresses, and `values` is what
    the other system has now.
    """

    now: datetime
    targets: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    values: LiveValues = field(default=LiveValues())


def judge(policy: Policy, request: Request, around: Surroundings) -> Verdict:
    """Whether the policy allows the request; the first rule that does not decides."""
    purpose = PURPOSES.get(request.stage)
    if purpose is None:
        return Verdict(False, "stage", f"the stage {request.stage} sends nothing")
    refusal = next(_problems(policy, purpose, request, around), None)
    return Verdict(True) if refusal is None else Verdict(False, policy.line(refusal[0]), refusal[1])


def _problems(policy: Policy, purpose: Purpose, request: Request, around: Surroundings) -> Iterator[tuple[str, str]]:
    if purpose is Purpose.EVENTS and (kind := drafts.kind(request.content)) not in policy.follow_ups.kinds:
        yield "follow_ups.kinds", no_tool_for(kind)
    per_run = policy.section(purpose).per_run
    if not 1 <= _number(purpose, request) <= per_run:
        yield f"{purpose}.per_run", f"it is number {request.number} of its run"
    yield from _target(policy, purpose, request.target, around)
    try:
        draft = drafts.read(purpose, request.content)
    except drafts.Malformed as error:
        yield f"{purpose}: {error.field or 'the draft'}", error.problem
        return
    if draft.link and (problem := links.problem(draft.link, around.hosts | policy.links.internal)):
        yield "links.hosts", f"its link cannot be sent: {problem}"
    if isinstance(draft, drafts.Ticket):
        yield from _related(policy, draft, around)
    if isinstance(draft, drafts.Event):
        yield from events.problems(policy.events, draft, around.now)


def _related(policy: Policy, draft: drafts.Ticket, around: Surroundings) -> Iterator[tuple[str, str]]:
    """The planner leaves out what may not be linked, so a link that may not is not one of ours."""
    for one in draft.related:
        if one.url and (problem := links.problem(one.url, around.hosts | policy.links.internal)):
            yield "links.hosts", f"the link of a related ticket cannot be sent: {problem}"


def _number(purpose: Purpose, request: Request) -> int:
    """Which of its run it is: a ticket in place of a refused comment counts as that one."""
    content: object = request.content  # drafts are judged as they come: it may be anything
    is_second = purpose is Purpose.TICKETS and isinstance(content, dict) and "instead_of" in content
    return request.number - is_second


def _target(policy: Policy, purpose: Purpose, target: str, around: Surroundings) -> Iterator[tuple[str, str]]:
    rule = f"{purpose}.targets"
    allowed = policy.section(purpose).targets or around.targets
    if target not in allowed and ANY not in policy.section(purpose).targets:
        yield rule, f"{target!r:.80} is not among the allowed targets"
    if around.values.targets is not None and target not in around.values.targets:
        yield rule, f"the other system has no {target!r:.80} now"
