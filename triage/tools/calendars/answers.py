"""Reading the answers of Google and Graph, which look alike."""

from typing import Any

from triage.errors import NotSent, OutcomeUnknown
from triage.model import Json, Sent
from triage.tools.adapter import usable_id, usable_link
from triage.tools.transport import Answer


def learned(answer: Answer) -> Json:
    """The object of a look-up; raises `NotSent` if it is none."""
    try:
        return answer.fields()
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error


def made(fields: Json, link: str, dropped: tuple[str, ...] = ()) -> Sent:
    """The event of an answer, by its id and the link in the field `link`; raises `OutcomeUnknown` if it has no id."""
    remote_id = usable_id(fields.get("id"))
    if not remote_id:
        raise OutcomeUnknown("the answer has no id that can be kept")
    return Sent(remote_id, usable_link(fields.get(link)), dropped)


def listed(item: Json, link: str) -> Sent:
    """The same for an event of a list: raises `NotSent`, as nothing was learned."""
    try:
        return made(item, link)
    except OutcomeUnknown as error:
        raise NotSent(f"the look-up failed: {error}") from error


def items(fields: Json, name: str) -> list[Json]:
    """The objects of a page; raises `NotSent` if there is no list of them."""
    value: Any = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotSent("the look-up failed: the answer is no list")
    return value


def part(value: Any, *names: str) -> object:  # noqa: ANN401 - whatever JSON says
    """What stands there below these names; None if one is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def addresses(fields: Json, *names: str) -> set[str]:
    """The attendees' addresses in lower case; `names` lead to an attendee's."""
    people = fields.get("attendees")
    return {str(part(one, *names)).lower() for one in people} if isinstance(people, list) else set()
